"""K steps of a kernel at one stage, with the step size adapted between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.runtime.core.particles import Point
from poedsl.runtime.core.random_numbers import Noise
from poedsl.runtime.kernels.kernel import Kernel, StageTarget
from poedsl.runtime.kernels.step_size import StepSize


class Swept(NamedTuple):
    """Where the steps led; the mean acceptance is None for unadjusted kernels."""

    point: Point
    step_size: StepSize
    acceptance: float | None


@dataclass(frozen=True, slots=True)
class KernelSteps:
    """A kernel, and how it is applied at every stage.

    Attributes:
        count: K, the number of steps.
        adapt: whether the step size follows the acceptance.
        acceptance_target: the acceptance to which it adapts; None for unadjusted kernels, which
            accept every proposal.
        normals: the number of standard normals that a step takes for each component.
    """

    kernel: Kernel
    count: int
    adapt: bool
    acceptance_target: float | None
    normals: int = 1

    @property
    def adjusted(self) -> bool:
        return self.acceptance_target is not None

    def sweep(
        self,
        point: Point,
        target: StageTarget,
        step_size: StepSize,
        rng: Noise,
        t: int,
        *,
        narrowing: float = 1.0,
        noise_scale: float = 1.0,
        exponents: float | Float[Tensor, " #D"] = 1.0,
    ) -> Swept:
        """The steps of stage ``t``.

        Args:
            narrowing: the target's variance over that of the stage before.
            noise_scale, exponents: unadjusted kernels take steps in units of noise_scale / sqrt(W).
        """
        aim = self.acceptance_target
        adapt = self.adapt and aim is not None
        if adapt and narrowing != 1:
            assert aim is not None
            step_size = step_size.narrowed(narrowing, aim, self.count)
        width = self.normals * point.x.shape[-1]
        normals, uniforms = rng.proposals(width, t, self.count, accepting=self.adjusted)
        rates: list[Float[Tensor, "S 1"]] = []
        for k, noise in enumerate(normals):
            variance = step_size.per_particle(rng.size)
            if aim is None:
                variance = variance * noise_scale**2 / exponents
            uniform = None if uniforms is None else uniforms[k]
            point, probability = self.kernel.step(point, target, noise, uniform, variance)
            if probability is None or aim is None:
                continue
            rates.append(probability.view(-1, rng.size).mean(-1, keepdim=True))
            if adapt:
                step_size = step_size.adapted(rates[-1], aim)
        return Swept(point, step_size, float(torch.cat(rates).mean()) if rates else None)
