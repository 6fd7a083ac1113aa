"""The Metropolis-adjusted Langevin algorithm."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.runtime.core.particles import Point
from poedsl.runtime.kernels.kernel import StageTarget
from poedsl.runtime.kernels.metropolis import acceptance_probability


@dataclass(frozen=True, slots=True)
class Mala:
    """A Langevin proposal, accepted or rejected for each particle; exactly invariant (Roberts and
    Tweedie 1996).
    """

    def step(
        self,
        point: Point,
        target: StageTarget,
        noise: Float[Tensor, "L D"],
        uniform: Float[Tensor, " L"] | None,
        variance: Float[Tensor, "#L 1"],
    ) -> tuple[Point, Float[Tensor, " L"]]:
        at = point.at
        assert at is not None and uniform is not None
        root = variance.sqrt()
        x = torch.addcmul(point.x, variance, at.drift, value=0.5).addcmul_(root, noise)
        proposed = target.evaluate(x)
        turn = (at.drift + proposed.drift).mul_(root)
        back = torch.add(noise, turn, alpha=0.25).mul_(turn).sum(-1)
        end = target.add_rewards(Point(x, proposed))
        probability = acceptance_probability(target.log_ratio(point, end).sub_(back, alpha=0.5))
        return end.where(uniform < probability, point), probability
