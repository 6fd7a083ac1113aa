"""The Barker proposal."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from poedsl.runtime.core.particles import Point
from poedsl.runtime.kernels.kernel import StageTarget
from poedsl.runtime.kernels.metropolis import acceptance_probability


@dataclass(frozen=True, slots=True)
class Barker:
    """A Gaussian step whose sign follows the gradient, accepted or rejected for each particle;
    exactly invariant (Livingstone and Zanella 2022).

    In each component a step w ~ N(0, h^2) is taken as it is with probability
    sigmoid(w d log pi / dx), and as -w otherwise. The gradient changes the direction of a step and
    not its length, so that a step size that is too large costs less than with `mala`.
    """

    def step(
        self,
        point: Point,
        target: StageTarget,
        noise: Float[Tensor, "L N"],
        uniform: Float[Tensor, " L"] | None,
        variance: Float[Tensor, "#L 1"],
    ) -> tuple[Point, Float[Tensor, " L"]]:
        """One step; ``noise`` has the lengths of the steps, and then what decides their signs."""
        at = point.at
        assert at is not None and uniform is not None
        length, sign = noise.chunk(2, -1)
        step = variance.sqrt() * length
        kept = torch.special.ndtr(sign) <= torch.sigmoid(step * at.drift)
        step = torch.where(kept, step, -step)
        x = point.x + step
        proposed = target.evaluate(x)
        forth, back = F.logsigmoid(step * at.drift), F.logsigmoid(-step * proposed.drift)
        end = target.add_rewards(Point(x, proposed))
        probability = acceptance_probability(target.log_ratio(point, end) + (back - forth).sum(-1))
        return end.where(uniform < probability, point), probability
