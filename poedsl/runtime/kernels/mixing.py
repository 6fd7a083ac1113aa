"""How far kernel steps have moved a population, and when they have moved it far enough."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.runtime.core.particles import Point
from poedsl.runtime.kernels.outliers import limits

#: Steps after which growth of the distance is looked at, and between looks.
PATIENCE, EVERY = 8, 4
#: Growth of 1 - correlation over the second half of the steps below which more of them are in vain.
GROWTH = 1.1


@dataclass(slots=True)
class Mixing:
    """Correlations of where particles are with where they started.

    Components of x are compared, and the log density whose mean the next weights estimate: it moves
    more slowly than x in high dimension.

    Attributes:
        start: components and log density at the start.
        weights: of the particles, normalised.
        limit: steps go on while a correlation is above it and still falling.
        low, high: limits of what is compared, so that a few particles far out do not decide.
        history: the correlations after each step.
    """

    start: Float[Tensor, "L C"]
    weights: Float[Tensor, " L"]
    limit: float
    low: Float[Tensor, " C"] = field(init=False)
    high: Float[Tensor, " C"] = field(init=False)
    history: list[Float[Tensor, " C"]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.low, self.high = limits(self.start, self.weights)
        self.start = self.start.clamp(self.low, self.high)

    @property
    def largest(self) -> float:
        """The largest correlation after the last step."""
        return float(self.history[-1].max()) if self.history else 1.0

    def finished(self, here: Float[Tensor, "L C"]) -> bool:
        """Whether all correlations are low enough, or those that are not have ceased to fall.

        The distance that particles have come is 1 - correlation, of a component in units of twice
        its variance. It grows in proportion to the steps where a kernel is slow, and not at all
        where modes cannot be left (Buchholz, Chopin and Jacob 2021).
        """
        now = correlation(self.start, here.clamp(self.low, self.high), self.weights)
        self.history.append(now)
        if float(now.max()) < self.limit:
            return True
        steps = len(self.history)
        if steps < PATIENCE or steps % EVERY:
            return False
        before = self.history[steps // 2 - 1]
        growing = (now > self.limit) & (1 - now > GROWTH * (1 - before))
        return not bool(growing.any())


def observables(point: Point) -> Float[Tensor, "L C"]:
    """The components of x, and where they are known the derivative of the log density along the
    path and the black-box rewards.
    """
    columns = [point.x]
    if point.at is not None and point.at.log_density is not None:
        columns.append(point.at.path_derivative[:, None])
    if point.reward is not None:
        columns.append(point.reward[:, None])
    return torch.cat([c.to(point.x).nan_to_num(neginf=-1e30) for c in columns], 1)


def correlation(
    start: Float[Tensor, "L C"], here: Float[Tensor, "L C"], weights: Float[Tensor, " L"]
) -> Float[Tensor, " C"]:
    """Absolute correlations of columns under the weights; zero of what does not vary.

    Squares are reduced by the largest that chance would give to independent columns of a normal
    distribution, 2 log(2 C) over the ESS.
    """
    weights = weights.to(here)
    first, second = start - weights @ start, here - weights @ here
    product = weights @ (first * second)
    scale = ((weights @ first.square()) * (weights @ second.square())).sqrt()
    rounding = torch.finfo(here.dtype).eps ** 1.5 * (weights @ start.square())
    square = torch.where(scale > rounding, product / scale, 0.0).square()
    by_chance = 2 * math.log(2 * here.shape[1]) * weights.square().sum()
    return (square - by_chance).clamp(min=0.0).nan_to_num(nan=0.0).sqrt()
