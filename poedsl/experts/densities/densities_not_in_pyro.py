"""Densities that Pyro does not have: between bounds, half of a Student's t, skew normal, and flat;
and angles of any concentration.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.distributions import LKJCholesky, StudentT

from poedsl.catalog.densities import DENSITIES
from poedsl.catalog.truncated_densities import PREFIX, WITH_TAILS
from poedsl.experts.densities.truncated import Truncated, log_mass

#: The concentration of an angle from which on its Gaussian limit is drawn from.
CONCENTRATED = 1e10


class NoQuantiles:
    """A distribution without its quantiles in closed form."""

    __slots__ = ()

    def icdf(self, level: Tensor) -> Tensor:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class HalfStudentT(NoQuantiles):
    """The upper half of a Student's t around zero."""

    df: Tensor
    scale: Tensor

    def log_prob(self, x: Tensor) -> Tensor:
        whole: Tensor = self._whole().log_prob(x)  # type: ignore[no-untyped-call]
        return whole + math.log(2)

    def sample(self) -> Tensor:
        drawn: Tensor = self._whole().sample()
        return drawn.abs()

    def _whole(self) -> StudentT:
        return StudentT(self.df, 0.0, self.scale, validate_args=False)


@dataclass(frozen=True, slots=True)
class SkewNormal(NoQuantiles):
    """2 N(z) Phi(alpha z) / scale at z = (x - loc) / scale (Azzalini 1985)."""

    loc: Tensor
    scale: Tensor
    alpha: Tensor

    def log_prob(self, x: Tensor) -> Tensor:
        z = (x - self.loc) / self.scale
        normal = -0.5 * (z.square() + math.log(2 * math.pi)) - self.scale.log()
        skewed: Tensor = normal + torch.special.log_ndtr(self.alpha * z) + math.log(2)
        return skewed

    def sample(self) -> Tensor:
        loc, scale, alpha = torch.broadcast_tensors(  # type: ignore[no-untyped-call]
            self.loc, self.scale, self.alpha
        )
        share = alpha / (1 + alpha.square()).sqrt()
        first, second = torch.randn_like(loc).abs(), torch.randn_like(loc)
        drawn: Tensor = loc + scale * (share * first + (1 - share.square()).sqrt() * second)
        return drawn


@dataclass(frozen=True, slots=True)
class LKJ(NoQuantiles):
    """LKJ over lower Cholesky factors of correlation matrices, of any size."""

    concentration: Tensor

    def log_prob(self, x: Tensor) -> Tensor:
        size = x.shape[-1]
        if size == 1:
            return x[..., 0, 0].clamp(0.0, 0.0)
        whole = LKJCholesky(size, self.concentration, validate_args=False)
        log_density: Tensor = whole.log_prob(x)  # type: ignore[no-untyped-call]
        return log_density


@dataclass(frozen=True, slots=True)
class VonMises(NoQuantiles):
    """An angle; above `CONCENTRATED` it is drawn from its limit, a Gaussian of variance
    1 / concentration, from which it differs by a share of 1 / concentration. The rejection sampler
    of torch loses its digits there, and does not end.
    """

    loc: Tensor
    concentration: Tensor

    def log_prob(self, x: Tensor) -> Tensor:
        whole = torch.distributions.VonMises(self.loc, self.concentration, validate_args=False)
        logs: Tensor = whole.log_prob(x)  # type: ignore[no-untyped-call]
        return logs

    def sample(self) -> Tensor:
        tight = self.concentration > CONCENTRATED
        loose = self.concentration.where(~tight, 1.0)
        whole = torch.distributions.VonMises(self.loc, loose, validate_args=False)
        drawn: Tensor = whole.sample()  # type: ignore[no-untyped-call]
        if not bool(tight.any()):
            return drawn
        normal = self.loc + torch.randn_like(drawn) * self.concentration.rsqrt()
        return (torch.remainder(normal + math.pi, 2 * math.pi) - math.pi).where(tight, drawn)


@dataclass(frozen=True, slots=True)
class Flat(NoQuantiles):
    """One everywhere, which cannot be drawn from."""

    def log_prob(self, x: Tensor) -> Tensor:
        return x.clamp(0.0, 0.0)


def _inverse_gamma(x: Tensor, concentration: Tensor, rate: Tensor) -> Tensor:
    constant = concentration * rate.log() - concentration.lgamma()
    return constant - (concentration + 1) * x.log() - rate / x


def _pareto(x: Tensor, scale: Tensor, alpha: Tensor) -> Tensor:
    return alpha.log() + alpha * scale.log() - (alpha + 1) * x.log()


#: Log densities that Pyro takes from powers of x, which overflow.
LOG_PROBS: dict[str, Callable[..., Tensor]] = {"InverseGamma": _inverse_gamma, "Pareto": _pareto}


def distribution_not_in_pyro(name: str, arguments: dict[str, Tensor]) -> Any:
    """A distribution that Pyro has not; None of other names."""
    if name in NOT_IN_PYRO:
        return NOT_IN_PYRO[name](**arguments)
    base = name.removeprefix(PREFIX)
    if base == name or base not in WITH_TAILS:
        return None
    signature = next(s for s in DENSITIES if s.name == base)
    parameters = {p.name: arguments[p.name] for p in signature.parameters}
    import pyro.distributions

    whole = getattr(pyro.distributions, base)(**parameters, validate_args=False)
    low, high = arguments.get("low"), arguments.get("high")
    if low is None and high is None:
        return whole
    values = tuple(parameters.values())
    log_density = partial(LOG_PROBS[base], **parameters) if base in LOG_PROBS else whole.log_prob
    mass = log_mass(base, low, high, values)
    return Truncated(base, log_density, values, low, high, mass)


NOT_IN_PYRO: dict[str, Callable[..., Any]] = {
    "HalfStudentT": HalfStudentT,
    "SkewNormal": SkewNormal,
    "VonMises": VonMises,
    "Flat": Flat,
    "LKJCholesky": LKJ,
}
