"""The tempering path: p_b = p_0^(1 - b) target^b, from a Gaussian to any density (Neal 2001).

It asks for densities alone: no expert needs noised marginals, and exponents need not sum to
anything. p_0 is the base that the program names, or the densities that draw every variable given
those before, where some are around others, or N(0, I) in the coordinates of the run. Its
normaliser is known, so that the weights give the evidence of the target.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.runtime.path.noising_path import FlowPath, Stage
from poedsl.runtime.smc.particles import Evaluation
from poedsl.runtime.smc.random_numbers import Noise
from poedsl.runtime.targets.ancestral_prior import Prior
from poedsl.runtime.targets.target import Target, Tilt
from poedsl.runtime.targets.tempering_base import Base


def temper_path(steps: int, device: torch.device) -> FlowPath:
    """Stages with b = (k / steps)^3: fine where the target first bends the base."""
    flow = FlowPath.build(steps, torch.ones(1, dtype=torch.float32, device=device))
    stages = (tempered(steps + 1 - k, (k / steps) ** 3) for k in range(steps + 1))
    return replace(flow, stages=tuple(stages))


def tempered(t: int, b: float) -> Stage:
    """The stage of a power."""
    return Stage(t, math.sqrt(b), 1.0)


@dataclass(slots=True)
class TemperedTarget(Target):
    """The product of a plan, raised to the power of a stage's ``beta`` beside its base.

    Attributes:
        base: what the program names, or what it draws its variables from; None for N(0, I).
    """

    base: Base | Prior | None = None

    @property
    def has_density(self) -> bool:
        return True

    @property
    def terminal(self) -> bool:
        return True

    @property
    def guides(self) -> tuple[Tilt, ...]:
        """None: what has a gradient is part of the density."""
        return ()

    @property
    def inference_mode(self) -> bool:
        return False

    def _evaluate(
        self, x: Float[Tensor, "L D"], stage: Stage, signs: Float[Tensor, "L D"] | None = None
    ) -> Evaluation:
        b = stage.beta
        with torch.enable_grad():
            point = x.detach().requires_grad_()
            total = (1 - b) * self.log_base(point) if b < 1 else torch.zeros_like(point[:, 0])
            product = self.log_untempered(point)
            if b > 0:
                total = total + b * (product + self.conditions(point, b))
            (score,) = torch.autograd.grad(total.sum(), point)
        score = score.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
        endpoint = point.detach() if self.tilts else None
        return Evaluation(score, None, total.detach(), endpoint, untempered=product.detach())

    def judged(
        self, x: Float[Tensor, "L D"], at: Evaluation | None, stage: Stage
    ) -> Float[Tensor, " L"]:
        """The black-box rewards to the power of the stage."""
        return stage.beta * self.judge(x, final=False)

    def ahead(
        self,
        x: Float[Tensor, "L D"],
        at: Evaluation,
        log_weights: Float[Tensor, " L"],
        stage: Stage,
        share: float,
    ) -> Stage:
        """The next stage: as far as the conditional effective sample size, of all islands together,
        is a share of the population (Zhou, Johansen and Aston 2016).
        """
        assert at.untempered is not None
        product, base, b = at.untempered, self.log_base(x), stage.beta
        before = b * (product + self.conditions(x, b)) + (1 - b) * base

        def kept(further: float) -> float:
            there = further * (product + self.conditions(x, further)) + (1 - further) * base
            gain = (there - before).double().nan_to_num(nan=-math.inf, posinf=-math.inf)
            first, second = log_weights + gain, log_weights + 2 * gain
            total = 2 * first.logsumexp(0) - log_weights.logsumexp(0) - second.logsumexp(0)
            return float(total.exp())

        if kept(1.0) >= share:
            return tempered(1, 1.0)
        low, high = b, 1.0
        while high - low > 1e-3 * (high - b):
            middle = (low + high) / 2
            low, high = (middle, high) if kept(middle) >= share else (low, middle)
        return tempered(stage.t - 1, high)

    def first(self, noise: Noise, stage: Stage) -> Float[Tensor, "L D"] | None:
        return None if self.base is None else self.base.first(noise, stage.t)

    def log_base(self, x: Float[Tensor, "L D"]) -> Float[Tensor, " L"]:
        """Log p_0, normalised."""
        return log_base(x) if self.base is None else self.base.log_density(x)

    def log_untempered(self, x: Float[Tensor, "L D"]) -> Float[Tensor, " L"]:
        """Log of the product in the run's coordinates, without its conditions."""
        logs = self.space.scale.log()
        y, log_det = self.space.supported(x)
        total = logs.sum() + log_det
        for anchor in self.anchors:
            self._count(anchor.name, len(x))
            log_density = anchor.expert.noised(y[:, anchor.part], 1.0, 0.0).log_density
            assert log_density is not None
            total = total + anchor.exponent * (log_density - logs[anchor.part].sum())
        env = self.environment.with_values(self.space.shaped(y))
        for tilt in self.tilts:
            if tilt.guiding and tilt.kind != "where":
                self._count(tilt.name, len(x))
                total = total + tilt.log_value(env)
        return total

    def conditions(self, x: Float[Tensor, "L D"], b: float) -> Float[Tensor, " L"]:
        """Log of the conditions, which are hard at b = 1 only."""
        total = x.new_zeros(len(x))
        for tilt in self.tilts:
            if tilt.guiding and tilt.kind == "where":
                self._count(tilt.name, len(x))
                if b == 1:
                    env = self.environment.with_values(self.space.values(x))
                    total = total + tilt.log_value(env)
                else:
                    spread = x.new_full((1,), 1 - b)
                    total = total + self.log_chance(tilt, x, spread)
        return total


def log_base(x: Float[Tensor, "L D"]) -> Float[Tensor, " L"]:
    """Log of N(0, I)."""
    return (-0.5 * (x.square() + math.log(2 * math.pi))).sum(-1)
