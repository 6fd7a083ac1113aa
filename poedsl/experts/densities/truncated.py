"""Densities between bounds, whose mass is computed in the tail where the bounds are.

A mass between bounds far out is the difference of two tails that are both tiny. It is taken from
the logarithms of the tail on that side, so that it does not vanish.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from poedsl.catalog.densities import DENSITIES

SUPPORTS = {s.name: s.support for s in DENSITIES}


class Tails(NamedTuple):
    """Logarithms of the distribution function and of its complement, and the median."""

    below: Callable[..., Tensor]
    above: Callable[..., Tensor]
    median: Callable[..., Tensor]


def _log1mexp(x: Tensor) -> Tensor:
    """log(1 - exp(x)) of x < 0 (Maechler 2012)."""
    near = x > -math.log(2)
    small, large = torch.where(near, x, -1.0), torch.where(near, -1.0, x)
    return torch.where(near, (-torch.expm1(small)).log(), torch.log1p(-large.exp()))


def _log_normal(z: Tensor) -> Tensor:
    below: Tensor = torch.special.log_ndtr(z)
    return below


def _laplace(z: Tensor) -> Tensor:
    upper = torch.log1p(-0.5 * torch.where(z > 0, -z, 0.0).exp())
    return torch.where(z > 0, upper, torch.where(z > 0, 0.0, z) - math.log(2))


def _cauchy(z: Tensor) -> Tensor:
    return torch.atan2(torch.ones_like(z), -z).log() - math.log(math.pi)


def _standard(log_cdf: Callable[[Tensor], Tensor]) -> Tails:
    """A symmetric density with a location and a scale."""
    return Tails(
        lambda x, loc, scale: log_cdf((x - loc) / scale),
        lambda x, loc, scale: log_cdf((loc - x) / scale),
        lambda loc, scale: loc,
    )


def _hazard(hazard: Callable[..., Tensor], median: Callable[..., Tensor]) -> Tails:
    """A density of which minus the log of the upper tail is known."""
    return Tails(
        lambda x, *arguments: _log1mexp(-hazard(x, *arguments).clamp(min=1e-300)),
        lambda x, *arguments: -hazard(x, *arguments),
        median,
    )


def _gumbel_below(x: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    return -((loc - x) / scale).clamp(max=700).exp()


TAILS: dict[str, Tails] = {
    "Normal": _standard(_log_normal),
    "Laplace": _standard(_laplace),
    "Logistic": _standard(torch.nn.functional.logsigmoid),
    "Cauchy": _standard(_cauchy),
    "Gumbel": Tails(
        _gumbel_below,
        lambda x, loc, scale: _log1mexp(_gumbel_below(x, loc, scale).clamp(max=-1e-300)),
        lambda loc, scale: loc - scale * math.log(math.log(2)),
    ),
    "LogNormal": Tails(
        lambda x, loc, scale: _log_normal((_log(x) - loc) / scale),
        lambda x, loc, scale: _log_normal((loc - _log(x)) / scale),
        lambda loc, scale: loc.exp(),
    ),
    "Exponential": _hazard(lambda x, rate: x * rate, lambda rate: math.log(2) / rate),
    "Weibull": _hazard(
        lambda x, scale, concentration: (x.clamp(min=1e-300) / scale) ** concentration,
        lambda scale, concentration: scale * math.log(2) ** (1 / concentration),
    ),
    "HalfNormal": Tails(
        lambda x, scale: _log(torch.special.erf(x / scale / math.sqrt(2))),
        lambda x, scale: _log_normal(-x / scale) + math.log(2),
        lambda scale: 0.6744897501960817 * scale,
    ),
    "HalfCauchy": Tails(
        lambda x, scale: _log(torch.atan2(x, scale.expand_as(x))) + math.log(2 / math.pi),
        lambda x, scale: torch.atan2(scale.expand_as(x), x).log() + math.log(2 / math.pi),
        lambda scale: scale,
    ),
}


def _log(x: Tensor) -> Tensor:
    """The logarithm of numbers from zero on, far below where they are zero."""
    return x.clamp(min=1e-300).log()


def log_mass(
    name: str, low: Tensor | None, high: Tensor | None, arguments: tuple[Tensor, ...]
) -> Tensor:
    """The log of the mass of a density between two bounds; nan where the first is not below."""
    tails = TAILS[name]
    if low is None or high is None:
        if high is not None:
            return tails.below(*_alike(high, *arguments))
        assert low is not None
        return tails.above(*_alike(low, *arguments))
    begin, stop, *parameters = _alike(low, high, *arguments)
    upper = begin > tails.median(*parameters)
    larger = torch.where(upper, tails.above(begin, *parameters), tails.below(stop, *parameters))
    smaller = torch.where(upper, tails.above(stop, *parameters), tails.below(begin, *parameters))
    mass = larger + _log1mexp((smaller - larger).clamp(max=-1e-300))
    return torch.where(begin < stop, mass, math.nan)


def _alike(*values: Tensor) -> list[Tensor]:
    return list(torch.broadcast_tensors(*values))  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Truncated:
    """A density of one number with at least one bound.

    Attributes:
        base: the density without bounds, of Pyro.
        arguments: of that, in the order of its signature.
    """

    name: str
    base: Any
    arguments: tuple[Tensor, ...]
    low: Tensor | None
    high: Tensor | None

    def log_prob(self, x: Tensor) -> Tensor:
        """Between the bounds."""
        begin = SUPPORTS[self.name].low
        inside = x > begin if isinstance(begin, float) else torch.ones_like(x, dtype=torch.bool)
        base = self.base.log_prob(torch.where(inside, x, 1.0))
        mass = log_mass(self.name, self.low, self.high, self.arguments)
        return torch.where(inside, base - mass, -math.inf)

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

        total = log_mass(self.name, self.low, self.high, self.arguments)
        level = total + torch.rand(anchor.shape, dtype=anchor.dtype, device=anchor.device).log()
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
