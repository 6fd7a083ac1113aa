"""Linear changes of coordinates in which a population has unit covariance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.runtime.core.particles import Evaluation, Point
from poedsl.runtime.core.state import SavedState
from poedsl.runtime.kernels.kernel import StageTarget
from poedsl.runtime.kernels.outliers import limits

#: Effective particles per component above which all of a covariance is estimated, not only its
#: diagonal.
PARTICLES_PER_COMPONENT = 2
#: With a lower ESS no covariance is estimated.
FEWEST = 8


@dataclass(frozen=True, slots=True)
class Preconditioner:
    """x = mean + z factor^T, with a mean and a factor for each of some groups of particles.

    A group is half of an island, and is transformed by the covariance of the other half. A particle
    thus has no influence on its own kernel, which otherwise biases log Z by an amount that grows
    with the dimension: by 1 for 1,000 particles in 100 dimensions.

    Attributes:
        sizes: the numbers of particles of the groups, one after another.
        means: of each group's coordinates.
        factors: lower triangular, or the diagonal alone.
    """

    sizes: list[int]
    means: tuple[Float[Tensor, " D"], ...]
    factors: tuple[Float[Tensor, "D D"] | Float[Tensor, " D"], ...]

    @classmethod
    def of(cls, x: Float[Tensor, "L D"], log_weights: Float[Tensor, "S n"]) -> Preconditioner:
        """From a weighted population of islands of one size."""
        islands, size = log_weights.shape
        halves = [size - size // 2, size // 2]
        weights = log_weights.double().softmax(-1).to(x).flatten()
        xs, ws = torch.split(x, halves * islands), torch.split(weights, halves * islands)
        moments = [_mean_and_factor(each, w) for each, w in zip(xs, ws, strict=True)]
        others = [moments[group ^ 1] for group in range(len(moments))]
        means, factors = zip(*others, strict=True)
        return cls(halves * islands, means, factors)

    @classmethod
    def of_all(cls, x: Float[Tensor, "L D"], log_weights: Float[Tensor, " L"]) -> Preconditioner:
        """From all of a weighted population, for the particles of another run."""
        mean, factor = _mean_and_factor(x, log_weights.double().softmax(0).to(x))
        return cls([len(x)], (mean,), (factor,))

    def state(self) -> SavedState:
        return {"sizes": self.sizes, "means": self.means, "factors": self.factors}

    @classmethod
    def restored(cls, state: SavedState) -> Preconditioner:
        return cls(state["sizes"], tuple(state["means"]), tuple(state["factors"]))

    def white(self, x: Float[Tensor, "L D"]) -> Float[Tensor, "L D"]:
        """The coordinates z of points x."""
        return self._each(x, lambda rows, mean, factor: _solved(rows - mean, factor))

    def coloured(self, z: Float[Tensor, "L D"]) -> Float[Tensor, "L D"]:
        """The points x of coordinates z."""
        return self._each(
            z,
            lambda rows, mean, factor: (
                mean + (rows * factor if factor.dim() == 1 else rows @ factor.T)
            ),
        )

    def gradient(self, score: Float[Tensor, "L D"]) -> Float[Tensor, "L D"]:
        """The gradient with respect to z, by that with respect to x."""
        return self._each(
            score,
            lambda rows, _, factor: rows * factor if factor.dim() == 1 else rows @ factor,
        )

    def into(self, point: Point) -> Point:
        """A point in the coordinates z, with scores with respect to z."""
        at = None if point.at is None else self.evaluation(point.at)
        return replace(point, x=self.white(point.x), at=at)

    def out_of(self, point: Point) -> Point:
        """The point of coordinates z, with scores with respect to x."""
        at = None if point.at is None else self._scores(point.at, self._score)
        return replace(point, x=self.coloured(point.x), at=at)

    def target(self, target: StageTarget) -> StageTarget:
        """A stage's target as kernels see it in the coordinates z."""

        def evaluate(z: Float[Tensor, "L D"]) -> Evaluation:
            return self.evaluation(target.evaluate(self.coloured(z)))

        def add_rewards(point: Point) -> Point:
            there = target.add_rewards(replace(point, x=self.coloured(point.x)))
            return replace(there, x=point.x)

        return StageTarget(evaluate, target.log_ratio, add_rewards)

    def evaluation(self, at: Evaluation) -> Evaluation:
        """The experts at some points, with scores with respect to z."""
        return self._scores(at, self.gradient)

    def _score(self, gradient: Float[Tensor, "L D"]) -> Float[Tensor, "L D"]:
        """The gradient with respect to x, by that with respect to z."""
        return self._each(
            gradient,
            lambda rows, _, factor: (
                rows / factor
                if factor.dim() == 1
                else torch.linalg.solve_triangular(factor, rows, upper=False, left=False)
            ),
        )

    @staticmethod
    def _scores(at: Evaluation, transform: Callable[[Tensor], Tensor]) -> Evaluation:
        rewards = None if at.reward_score is None else transform(at.reward_score)
        return replace(at, score=transform(at.score), reward_score=rewards)

    def _each(
        self,
        rows: Float[Tensor, "L D"],
        transform: Callable[[Tensor, Tensor, Tensor], Tensor],
    ) -> Float[Tensor, "L D"]:
        groups = torch.split(rows, self.sizes)
        parts = zip(groups, self.means, self.factors, strict=True)
        return torch.cat([transform(*part) for part in parts])


def _mean_and_factor(x: Float[Tensor, "n D"], weights: Float[Tensor, " n"]) -> tuple[Tensor, ...]:
    """Mean and square root of the covariance; of few particles, of its diagonal.

    Particles far out count as if they were at the limits.
    Correlations are shrunk by (D / ESS)^2, which keeps the factor well conditioned.
    """
    width, total = x.shape[1], weights.sum()
    weights = weights / total.clamp(min=torch.finfo(x.dtype).tiny)
    ess = float(1 / weights.square().sum().clamp(min=torch.finfo(x.dtype).tiny))
    if not float(total) > 0 or ess < FEWEST:
        return x.new_zeros(width), x.new_ones(width)
    x = x.clamp(*limits(x, weights))
    mean = weights @ x
    centred = x - mean
    deviation = (weights @ centred.square()).sqrt()
    deviation = torch.where(deviation > 0, deviation, 1.0)
    if ess <= PARTICLES_PER_COMPONENT * width:
        return mean, deviation
    scaled = centred / deviation
    shrunk = 1 - (width / ess) ** 2
    correlation = shrunk * (scaled.T * weights) @ scaled
    correlation.fill_diagonal_(1.0)
    factor, failed = torch.linalg.cholesky_ex(correlation)
    return mean, deviation if bool(failed) else deviation[:, None] * factor


def _solved(rows: Float[Tensor, "n D"], factor: Tensor) -> Float[Tensor, "n D"]:
    if factor.dim() == 1:
        return rows / factor
    solution: Tensor = torch.linalg.solve_triangular(factor.T, rows, upper=True, left=False)
    return solution
