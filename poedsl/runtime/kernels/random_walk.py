"""Random-walk Metropolis."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.runtime.core.particles import Point
from poedsl.runtime.kernels.kernel import StageTarget
from poedsl.runtime.kernels.metropolis import acceptance_probability


@dataclass(frozen=True, slots=True)
class RandomWalk:
    """A Gaussian proposal around each particle; exactly invariant (Metropolis et al. 1953)."""

    def step(
        self,
        point: Point,
        target: StageTarget,
        noise: Float[Tensor, "L D"],
        uniform: Float[Tensor, " L"] | None,
        variance: Float[Tensor, "#L 1"],
    ) -> tuple[Point, Float[Tensor, " L"]]:
        assert uniform is not None
        x = torch.addcmul(point.x, variance.sqrt(), noise)
        end = target.add_rewards(Point(x, target.evaluate(x)))
        probability = acceptance_probability(target.log_ratio(point, end))
        return end.where(uniform < probability, point), probability
