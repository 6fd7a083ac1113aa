"""The mass of densities below and above a point, by name, as logarithms that do not vanish."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from poedsl.experts.densities.incomplete_integrals import (
    BETA_ABOVE,
    BETA_BELOW,
    GAMMA_ABOVE,
    GAMMA_BELOW,
    STUDENT_BELOW,
    Integral,
    log1mexp,
)


class Tails(NamedTuple):
    """Logarithms of the distribution function and of its complement, and the median."""

    below: Callable[..., Tensor]
    above: Callable[..., Tensor]
    median: Callable[..., Tensor]


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
        lambda x, *arguments: log1mexp(-hazard(x, *arguments).clamp(min=1e-300)),
        lambda x, *arguments: -hazard(x, *arguments),
        median,
    )


def _inside(
    tail: Callable[..., Tensor], start: float, stop: float = 0.0, end: float = math.inf
) -> Callable[..., Tensor]:
    """A tail of a density above zero, from what it is inside of the support.

    Args:
        start: its value up to zero. stop: that from the end of the support on.
    """

    def everywhere(x: Tensor, *arguments: Tensor) -> Tensor:
        inside = (x > 0) & (x < end)
        value = tail(torch.where(inside, x, 0.5), *arguments)
        return torch.where(inside, value, torch.where(x > 0, stop, start))

    return everywhere


def _gamma(integral: Integral, z: Tensor, shape: Tensor) -> Tensor:
    return integral(z.clamp(1e-300, 1e300), shape)


def _gamma_median(shape: Tensor) -> Tensor:
    """By the cube of a Gaussian (Wilson and Hilferty 1931); near zero for small shapes."""
    return shape * (1 - 1 / (9 * shape)).clamp(min=1e-100) ** 3


def _gumbel_below(x: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    return -((loc - x) / scale).clamp(max=700).exp()


TAILS: dict[str, Tails] = {
    "Normal": _standard(_log_normal),
    "Laplace": _standard(_laplace),
    "Logistic": _standard(torch.nn.functional.logsigmoid),
    "Cauchy": _standard(_cauchy),
    "Gumbel": Tails(
        _gumbel_below,
        lambda x, loc, scale: log1mexp(_gumbel_below(x, loc, scale).clamp(max=-1e-300)),
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
    "Gamma": Tails(
        _inside(lambda x, shape, rate: _gamma(GAMMA_BELOW, x * rate, shape), -math.inf),
        _inside(lambda x, shape, rate: _gamma(GAMMA_ABOVE, x * rate, shape), 0.0),
        lambda shape, rate: _gamma_median(shape) / rate,
    ),
    "InverseGamma": Tails(
        _inside(lambda x, shape, rate: _gamma(GAMMA_ABOVE, rate / x, shape), -math.inf),
        _inside(lambda x, shape, rate: _gamma(GAMMA_BELOW, rate / x, shape), 0.0),
        lambda shape, rate: rate / _gamma_median(shape),
    ),
    "Chi2": Tails(
        _inside(lambda x, df: _gamma(GAMMA_BELOW, x / 2, df / 2), -math.inf),
        _inside(lambda x, df: _gamma(GAMMA_ABOVE, x / 2, df / 2), 0.0),
        lambda df: 2 * _gamma_median(df / 2),
    ),
    "Beta": Tails(
        _inside(BETA_BELOW, -math.inf, 0.0, end=1.0),
        _inside(BETA_ABOVE, 0.0, -math.inf, end=1.0),
        lambda one, zero: one / (one + zero),
    ),
    "StudentT": Tails(
        lambda x, df, loc, scale: STUDENT_BELOW((x - loc) / scale, df),
        lambda x, df, loc, scale: STUDENT_BELOW((loc - x) / scale, df),
        lambda df, loc, scale: loc,
    ),
}


def _log(x: Tensor) -> Tensor:
    """The logarithm of numbers from zero on, far below where they are zero."""
    return x.clamp(min=1e-300).log()
