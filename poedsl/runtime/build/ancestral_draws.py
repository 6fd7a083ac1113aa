"""Where the densities of a plan have their mass: draws of each, given draws of what it depends on.

Ancestral sampling, as far as densities can be drawn from. It centres and scales the coordinates of
a tempered run, and so the Gaussian that the run starts from; the target it leaves alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from zlib import crc32

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from poedsl.compiler.plan.plan_parts import FactorSpec
from poedsl.compiler.plan.terms import names
from poedsl.runtime.build.densities import Densities
from poedsl.runtime.core.quantiles import APART, MIDDLE
from poedsl.runtime.space.bijections import Bijection
from poedsl.runtime.space.coordinates import GaussianMoments, Space
from poedsl.runtime.space.parts import locate

#: Draws of each density.
DRAWS = 256
#: How many times as far from the median nine tenths of the draws may be as a tenth of them is: of a
#: normal distribution it is 13 times, of a Cauchy distribution 40 times.
SCALE_FREE = 1e6


@dataclass(frozen=True, slots=True)
class FactorDraws:
    """Draws of one factor, on the components that it sees, and the size of its exponent.

    Some are nan: those whose parents leave a parameter out of its range.
    """

    index: slice | Int[Tensor, " d"]
    weight: float
    points: Float[Tensor, "n d"]

    def moments(self) -> GaussianMoments:
        return _moments(self.index, self.weight, self.points)

    def within(self, bijection: Bijection, size: int) -> GaussianMoments:
        """In a bijection's unconstrained coordinates; of weight zero where few draws are inside, or
        they are of every order of magnitude.
        """
        points = self.points.new_full((len(self.points), size), math.nan)
        points[:, self.index] = self.points
        inside = points[:, bijection.index]
        scaled = ~scale_free(inside.flatten(1))
        free = bijection.inverse(inside).flatten(1).where(scaled, math.nan)
        return _moments(bijection.index.flatten(), self.weight, free)


def ancestral(
    factors: Sequence[FactorSpec],
    space: Space,
    densities: Callable[[FactorSpec], Densities],
    weight: Callable[[FactorSpec], float],
) -> dict[str, FactorDraws]:
    """Draws of every density that has any, by the names of the factors; the same at every call.

    Of several densities on a component, what depends on it is drawn given the first. A density
    around others whose draws are of every order of magnitude has the weight zero.
    """
    y = space.loc.new_full((DRAWS, space.size), math.nan)
    values = {name: y[:, space.slice(name)].view(-1, *s) for name, s in space.shapes.items()}
    waiting = [f for f in factors if f.kind in ("gaussian", "density")]
    drawn: dict[str, FactorDraws] = {}
    with torch.random.fork_rng(devices=[]):
        before = len(waiting) + 1
        while len(waiting) < before:
            before, later = len(waiting), []
            for factor in waiting:
                factor_densities = densities(factor)
                part = locate(factor, space, factor_densities.environment)
                torch.default_generator.manual_seed(_seed(factor))
                points = factor_densities.draws(factor.term, part.shape, DRAWS, values)
                if points is None:
                    later.append(factor)
                    continue
                flat = points.reshape(DRAWS, -1)
                y[:, part.index] = torch.where(y[:, part.index].isnan(), flat, y[:, part.index])
                around = bool(names(factor.term) & values.keys())
                scaled = 0.0 if around and bool(scale_free(flat).any()) else weight(factor)
                drawn[factor.name] = FactorDraws(part.index, scaled, flat)
            waiting = later[::-1]
    return drawn


def scale_free(points: Float[Tensor, "n d"]) -> Bool[Tensor, " d"]:
    """Which components are of every order of magnitude, as what stands around a variable with a
    vague prior: `b` of `b ~ Normal(0, 1 / sqrt(tau))` and `tau ~ Gamma(0.001, 0.001)`.
    """
    finite = points.where(points.isfinite(), math.nan)
    distance = (finite - finite.nanmedian(0).values).abs()
    near, far = torch.nanquantile(distance, points.new_tensor([0.1, 0.9]), 0)
    scaled: Tensor = far <= SCALE_FREE * near
    return ~scaled


def _seed(factor: FactorSpec) -> int:
    """Another one for each density, however factors are ordered."""
    return crc32(repr((factor.variables, factor.part, factor.term)).encode())


def _moments(
    index: slice | Int[Tensor, " d"], weight: float, points: Float[Tensor, "n d"]
) -> GaussianMoments:
    """The Gaussians with the same middle, of weight zero where there are few points."""
    finite = points.isfinite()
    at = points.new_tensor(MIDDLE)
    low, middle, high = torch.nanquantile(points.where(finite, math.nan), at, 0)
    spread = (high - low) / APART
    enough = (finite.sum(0) > len(points) / 10) & (spread > 0) & spread.isfinite()
    mean, variance = middle.where(enough, 0.0), spread.square().where(enough, 1.0)
    return GaussianMoments(index, weight * enough.to(mean.dtype), mean, variance)
