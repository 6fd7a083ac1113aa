"""Unadjusted Langevin steps."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.runtime.core.particles import Point
from poedsl.runtime.kernels.kernel import StageTarget


@dataclass(frozen=True, slots=True)
class Langevin:
    """x + (h^2 / 2) grad log pi + h z, biased by O(h^2) (Zhang et al., C.1).

    The experts at the new point are evaluated by whoever needs them next.
    """

    def step(
        self,
        point: Point,
        target: StageTarget,
        noise: Float[Tensor, "L D"],
        uniform: Float[Tensor, " L"] | None,
        variance: Float[Tensor, "#L #D"],
    ) -> tuple[Point, None]:
        at = point.at if point.at is not None else target.evaluate(point.x)
        x = torch.addcmul(point.x, variance, at.drift, value=0.5)
        return Point(x.addcmul_(variance.sqrt(), noise)), None
