"""Hamiltonian Monte Carlo, with and without acceptance."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from poedsl.runtime.core.particles import Evaluation, Point
from poedsl.runtime.kernels.kernel import Evaluate, StageTarget
from poedsl.runtime.kernels.metropolis import acceptance_probability


@dataclass(frozen=True, slots=True)
class Hmc:
    """A leapfrog trajectory with fresh momentum; exactly invariant (Neal 2011)."""

    leaps: int

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
        x, proposed, momentum = leapfrog(point.x, at, target.evaluate, noise, variance, self.leaps)
        kinetic = (noise.square() - momentum.square()).sum(-1)
        end = target.add_rewards(Point(x, proposed))
        probability = acceptance_probability(target.log_ratio(point, end) + 0.5 * kinetic)
        return end.where(uniform < probability, point), probability


@dataclass(frozen=True, slots=True)
class UnadjustedHmc:
    """A leapfrog trajectory that is always accepted; biased by O(h^2) (Bou-Rabee and Eberle
    2023).
    """

    leaps: int

    def step(
        self,
        point: Point,
        target: StageTarget,
        noise: Float[Tensor, "L D"],
        uniform: Float[Tensor, " L"] | None,
        variance: Float[Tensor, "#L #D"],
    ) -> tuple[Point, None]:
        at = point.at if point.at is not None else target.evaluate(point.x)
        x, end, _ = leapfrog(point.x, at, target.evaluate, noise, variance, self.leaps)
        return Point(x, end), None


def leapfrog(
    x: Float[Tensor, "L D"],
    at: Evaluation,
    evaluate: Evaluate,
    momentum: Float[Tensor, "L D"],
    variance: Float[Tensor, "#L #D"],
    leaps: int,
) -> tuple[Float[Tensor, "L D"], Evaluation, Float[Tensor, "L D"]]:
    """The end of a trajectory of unit mass, the experts there, and its momentum."""
    step = variance.sqrt()
    momentum = momentum + 0.5 * step * at.drift
    for leap in range(leaps):
        x = x + step * momentum
        at = evaluate(x)
        momentum = momentum + (0.5 if leap == leaps - 1 else 1.0) * step * at.drift
    return x, at, momentum
