"""What the tests of the runtime share."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import poedsl
from poedsl.compiler.plan.option_forms import KernelRow
from poedsl.compiler.plan.option_values import kernel_traits
from poedsl.compiler.plan.options import OPTIONS
from poedsl.experts.protocol import Generative, Noised
from poedsl.runtime.build.laplace_base import LaplaceBase
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.kernels.kernel import Kernel
from poedsl.runtime.kernels.kernels_by_name import implementation
from poedsl.runtime.run import Run
from poedsl.runtime.targets.tempering import BaseDistribution, TemperedTarget

#: The kernels over numbers that accept and reject.
ADJUSTED = [
    form.name
    for form in OPTIONS["kernel"].forms
    if isinstance(form, KernelRow) and form.implementation and form.adjusted
]


CROSSING = (Path(__file__).parents[2] / "programs" / "crossing.poe").read_text(encoding="utf-8")


def crossing_log_evidence() -> float:
    """Log evidence of `CROSSING`: each axis gives the mean of N(m; 0, 0.35^2 + 2.2^2)."""
    variance = 0.35**2 + 2.2**2
    each = np.exp(-(np.linspace(-3.5, 3.5, 8) ** 2) / (2 * variance))
    return 2 * math.log(float(each.mean()) / math.sqrt(2 * math.pi * variance))


@dataclass
class ScoreOnly:
    """An expert whose density nobody may look at, as if it were learned."""

    expert: Generative
    has_density = False
    terminal = False
    calls_per_evaluation = 1
    inference_mode = True

    def endpoint_precision(self, alpha: float, sigma: float) -> Tensor | float:
        return self.expert.endpoint_precision(alpha, sigma)

    def noised(self, x: Tensor, alpha: float, sigma: float) -> Noised:
        return Noised(self.expert.noised(x, alpha, sigma).score)


def substitute(job: Run, **fields: object) -> None:
    """Put test doubles into the target of a run, which is frozen, wherever the run holds it."""
    for name, value in fields.items():
        object.__setattr__(job.target, name, value)


def as_if_scores_alone(job: Run) -> None:
    """Let the experts of a run give scores alone."""
    substitute(
        job, experts=tuple(replace(a, expert=ScoreOnly(a.expert)) for a in job.target.experts)
    )


def as_if_learned(plan: poedsl.Plan, seed: int) -> Run:
    """A finished run in which the experts give scores alone."""
    job = Run(plan.bound().spec, RunSettings(seed=seed))
    as_if_scores_alone(job)
    for _ in job.stages():
        pass
    return job


def moments(result: poedsl.Result, name: str = "x") -> tuple[Tensor, Tensor]:
    """Weighted mean and variance of each component."""
    weights = result.log_weights.exp().double()
    x = result.particles[name].double().reshape(len(weights), -1)
    mean = weights @ x
    return mean, weights @ (x - mean).square()


def kernel_named(name: str, leaps: int = 3) -> Kernel:
    """A kernel by the name it has in plans."""
    return implementation(name, leaps=leaps)


def noise_of(name: str, x: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normals for a step of a kernel from points (L, D), of their type."""
    width = kernel_traits(name).normals * x.shape[1]
    return torch.randn(len(x), width, generator=generator, dtype=x.dtype)


def default_base(text: str) -> BaseDistribution | None:
    """What a tempered path starts from by default."""
    target = Run(poedsl.compile(text).with_options(path="temper()").bound().spec).target
    assert isinstance(target, TemperedTarget)
    return target.base


def wide_base(text: str) -> BaseDistribution | None:
    """What stands beside the modes in it."""
    base = default_base(text)
    return base.wide if isinstance(base, LaplaceBase) else base
