"""Densities between bounds, whose mass is computed in the tail where the bounds are.

A mass between bounds far out is the difference of two tails that are both tiny. It is taken from
the logarithms of the tail on that side, so that it does not vanish.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from poedsl.catalog.densities import DENSITIES
from poedsl.experts.densities.incomplete_integrals import log1mexp
from poedsl.experts.densities.tails import TAILS

SUPPORTS = {s.name: s.support for s in DENSITIES}


def log_mass(
    name: str, low: Tensor | None, high: Tensor | None, arguments: tuple[Tensor, ...]
) -> Tensor:
    """The log of the mass of a density between two bounds; nan where the first is not below. Along
    a size in which bounds and arguments were expanded, as to the data, it has one number.
    """
    tails = TAILS[name]
    low, high = (None if bound is None else _unexpanded(bound) for bound in (low, high))
    arguments = tuple(map(_unexpanded, arguments))
    if low is None or high is None:
        if high is not None:
            return tails.below(*_alike(_within(high, name), *arguments))
        assert low is not None
        return tails.above(*_alike(_within(low, name), *arguments))
    begin, stop, *parameters = _alike(_within(low, name), _within(high, name), *arguments)
    upper = begin > tails.median(*parameters)
    larger = torch.where(upper, tails.above(begin, *parameters), tails.below(stop, *parameters))
    smaller = torch.where(upper, tails.above(stop, *parameters), tails.below(begin, *parameters))
    mass = larger + log1mexp((smaller - larger).clamp(max=-1e-300))
    outside = torch.where(low < high, -math.inf, math.nan)
    return torch.where(begin < stop, mass, outside)


def _within(bound: Tensor, name: str) -> Tensor:
    """A bound, or the end of the support that it is beyond."""
    support = SUPPORTS[name]
    if isinstance(support.low, float):
        bound = bound.clamp(min=support.low)
    return bound.clamp(max=support.high) if isinstance(support.high, float) else bound


def _unexpanded(value: Tensor) -> Tensor:
    """A value with one row in place of equal ones that an expansion made."""
    for dim, stride in enumerate(value.stride()):
        if stride == 0 and value.shape[dim] > 1:
            value = value.narrow(dim, 0, 1)
    return value


def _alike(*values: Tensor) -> list[Tensor]:
    return list(torch.broadcast_tensors(*values))  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Truncated:
    """A density of one number with at least one bound.

    Attributes:
        base: the log density without bounds.
        arguments: of that, in the order of its signature.
        log_mass: of that between the bounds.
    """

    name: str
    base: Callable[[Tensor], Tensor]
    arguments: tuple[Tensor, ...]
    low: Tensor | None
    high: Tensor | None
    log_mass: Tensor

    def log_prob(self, x: Tensor) -> Tensor:
        """Between the bounds."""
        inside = torch.ones_like(x, dtype=torch.bool)
        support = SUPPORTS[self.name]
        if isinstance(support.low, float):
            inside = inside & (x > support.low)
        if isinstance(support.high, float):
            inside = inside & (x < support.high)
        logarithm = self.base(torch.where(inside, x, 0.5)) - self.log_mass
        return torch.where(inside, logarithm, -math.inf)

    def icdf(self, level: Tensor) -> Tensor:
        """Not known in closed form."""
        raise NotImplementedError

    def sample(self) -> Tensor:
        """Draws by bisection of the mass between one bound and a point."""
        anchor = self.high if self.low is None else self.low
        assert anchor is not None
        anchor, *_ = _alike(anchor, *self.arguments, *(b for b in (self.high,) if b is not None))
        side = -1.0 if self.low is None else 1.0

        def mass(width: Tensor) -> Tensor:
            edge = anchor + side * width
            ends = (edge, self.high) if self.low is None else (self.low, edge)
            return log_mass(self.name, *ends, self.arguments)

        uniform = torch.rand(anchor.shape, dtype=anchor.dtype, device=anchor.device)
        level = self.log_mass + uniform.log()
        far = torch.full_like(anchor, START) * (1 + anchor.abs())
        for _ in range(DOUBLINGS):
            short = mass(far) < level
            if not bool(short.any()):
                break
            far = torch.where(short, 2 * far, far)
        near = torch.zeros_like(far)
        for _ in range(BISECTIONS):
            middle = (near + far) / 2
            short = mass(middle) < level
            near, far = torch.where(short, middle, near), torch.where(short, far, middle)
        drawn = anchor + side * (near + far) / 2
        return drawn if self.high is None else torch.minimum(drawn, self.high)


#: A first interval about a bound relative to it, and how often it is doubled and halved.
START, DOUBLINGS, BISECTIONS = 1e-3, 400, 80
