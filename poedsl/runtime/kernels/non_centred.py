"""Non-centred coordinates: of theta ~ Normal(mu, tau), (theta - mu) / tau.

Where data say little of theta, its density given tau is a funnel in theta, which no step size
suits, and close to a Gaussian in these coordinates; where data say much, it is the other way round.
Steps in both, by turns, mix about as well as the better of the two, and often better than either
(Papaspiliopoulos, Roberts and Skold 2007; Yu and Meng 2011, who call it interweaving).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from poedsl.compiler.plan.terms import Apply
from poedsl.runtime.core.particles import Evaluation, Point
from poedsl.runtime.kernels.kernel import StageTarget
from poedsl.runtime.space.coordinates import Space
from poedsl.runtime.terms.environment import Environment
from poedsl.runtime.terms.evaluate import evaluate
from poedsl.runtime.terms.log_densities import parameters

#: Of a density by which components are standardised.
PARAMETERS = ("loc", "scale")
#: Points in other coordinates, and log |det dx / dz| there.
Change = Callable[[Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True, slots=True, eq=False)
class LocationScale:
    """Components with a density around other variables.

    Attributes:
        index: the components, none of which a bijection constrains.
        shape: in which they stand.
        density: with its location and scale alone.
    """

    index: Int[Tensor, " d"]
    shape: tuple[int, ...]
    density: Apply


@dataclass(frozen=True, slots=True)
class NonCentred:
    """z = (x - loc) / scale of components whose location and scale depend on other variables.

    Attributes:
        levels: what ``loc`` and ``scale`` depend on is in earlier levels, or in none.
    """

    levels: tuple[tuple[LocationScale, ...], ...]
    space: Space
    environment: Environment

    def into(self, point: Point) -> Point:
        """A point in the coordinates z."""
        z, _ = self.inverse(point.x)
        at = point.at
        if at is not None:
            at = _pulled_back(z, self.forward, 1.0, at)
        return replace(point, x=z, at=at)

    def out_of(self, point: Point) -> Point:
        """The point of coordinates z."""
        x, _ = self.forward(point.x)
        at = point.at
        if at is not None:
            at = _pulled_back(x, self.inverse, -1.0, at)
        return replace(point, x=x, at=at)

    def target(self, target: StageTarget) -> StageTarget:
        """A stage's target as kernels see it in the coordinates z."""

        def add_rewards(point: Point) -> Point:
            there = target.add_rewards(replace(point, x=self.forward(point.x)[0]))
            return replace(there, x=point.x)

        return StageTarget(
            lambda z: _pulled_back(z, self.forward, 1.0, target.evaluate),
            target.log_ratio,
            add_rewards,
        )

    def forward(self, z: Float[Tensor, "L D"]) -> tuple[Float[Tensor, "L D"], Float[Tensor, " L"]]:
        """The points x of coordinates z, and log |det dx / dz|."""
        x, log_det = z, torch.zeros_like(z[:, 0])
        for level in self.levels:
            env = self.environment.with_values(self.space.values(x))
            for site in level:
                loc, scale = self._parameters(site, env, len(x))
                x = x.index_copy(1, site.index, loc + scale * z[:, site.index])
                log_det = log_det + scale.log().sum(-1)
        return x, log_det

    def inverse(self, x: Float[Tensor, "L D"]) -> tuple[Float[Tensor, "L D"], Float[Tensor, " L"]]:
        """The coordinates z of points x, and log |det dx / dz|."""
        z, log_det = x, torch.zeros_like(x[:, 0])
        env = self.environment.with_values(self.space.values(x))
        for site in (site for level in self.levels for site in level):
            loc, scale = self._parameters(site, env, len(x))
            z = z.index_copy(1, site.index, (x[:, site.index] - loc) / scale)
            log_det = log_det + scale.log().sum(-1)
        return z, log_det

    def _parameters(
        self, site: LocationScale, env: Environment, count: int
    ) -> tuple[Float[Tensor, "L d"], Float[Tensor, "L d"]]:
        """Location and scale in the coordinates of the run; 0 and 1 where one has no meaning."""
        rows = parameters(site.density, lambda term: evaluate(term, env), site.shape)
        loc, scale = (
            rows[name].expand(count, *site.shape).reshape(count, -1) for name in PARAMETERS
        )
        loc = (loc - self.space.loc[site.index]) / self.space.scale[site.index]
        scale = scale / self.space.scale[site.index]
        proper = loc.isfinite() & scale.isfinite() & (scale > 0)
        return torch.where(proper, loc, 0.0), torch.where(proper, scale, 1.0)


def _pulled_back(
    start: Float[Tensor, "L D"],
    change: Change,
    sign: float,
    there: Evaluation | Callable[[Tensor], Evaluation],
) -> Evaluation:
    """What the experts say at points, from what they say where a change takes these: log densities
    gain the log determinant with the sign, and scores follow by the chain rule.
    """
    with torch.enable_grad():
        point = start.detach().requires_grad_()
        end, log_det = change(point)
        at = there if isinstance(there, Evaluation) else there(end.detach())
        total = (end * at.score).sum() + sign * log_det.sum()
        (score,) = torch.autograd.grad(total, point)
    score = score.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
    assert at.log_density is not None and at.reward_score is None
    return replace(at, score=score, log_density=at.log_density + sign * log_det.detach())
