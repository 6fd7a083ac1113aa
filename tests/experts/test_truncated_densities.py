"""Densities between bounds against scipy's and against high precision, far in the tails too."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from scipy import stats

from poedsl.catalog.registry import SIGNATURES
from poedsl.catalog.truncated_densities import PREFIX, WITH_TAILS
from poedsl.experts.densities.pyro_densities import distribution, log_prob_inside, log_probs

#: Parameters, and the distribution of scipy.
FROZEN: dict[str, tuple[tuple[float, ...], Any]] = {
    "Normal": ((0.5, 2.0), stats.norm(0.5, 2.0)),
    "Laplace": ((0.5, 2.0), stats.laplace(0.5, 2.0)),
    "Logistic": ((0.5, 2.0), stats.logistic(0.5, 2.0)),
    "Cauchy": ((0.5, 2.0), stats.cauchy(0.5, 2.0)),
    "Gumbel": ((0.5, 2.0), stats.gumbel_r(0.5, 2.0)),
    "LogNormal": ((0.5, 0.8), stats.lognorm(0.8, scale=math.exp(0.5))),
    "Exponential": ((1.5,), stats.expon(scale=1 / 1.5)),
    "Weibull": ((2.0, 1.7), stats.weibull_min(1.7, scale=2.0)),
    "HalfNormal": ((2.0,), stats.halfnorm(scale=2.0)),
    "HalfCauchy": ((2.0,), stats.halfcauchy(scale=2.0)),
}
BOUNDS = [(0.3, 1.9), (0.3, None), (None, 1.9), (2.5, 30.0), (1e-3, 2e-3)]


def arguments(
    name: str, low: float | None, high: float | None, parameters: tuple[float, ...] | None = None
) -> dict[str, torch.Tensor]:
    """By name, in double precision; bounds that are none are left out."""
    values = (*(FROZEN[name][0] if parameters is None else parameters), low, high)
    names = [p.name for p in SIGNATURES[PREFIX + name].parameters]
    return {
        key: torch.tensor([value], dtype=torch.float64)
        for key, value in zip(names, values, strict=True)
        if value is not None
    }


def log_density(name: str, given: dict[str, torch.Tensor], x: float) -> float:
    full = PREFIX + name
    point = torch.tensor([x], dtype=torch.float64)
    return float(log_probs(full, given, log_prob_inside(full, given), point))


def test_every_truncated_density_is_tested() -> None:
    assert set(FROZEN) == set(WITH_TAILS)


@pytest.mark.parametrize("bounds", BOUNDS)
@pytest.mark.parametrize("name", FROZEN)
def test_the_mass_between_bounds_is_that_of_scipy(
    name: str, bounds: tuple[float | None, float | None]
) -> None:
    low, high = bounds
    frozen = FROZEN[name][1]
    begin, stop = -math.inf if low is None else low, math.inf if high is None else high
    mass = frozen.cdf(stop) - frozen.cdf(begin)
    if begin > frozen.median():
        mass = frozen.sf(begin) - frozen.sf(stop)
    x = 1.0 if begin < 1 < stop else (begin + stop) / 2
    found = log_density(name, arguments(name, low, high), x)
    assert found == pytest.approx(frozen.logpdf(x) - math.log(mass), abs=1e-9)


@pytest.mark.parametrize(
    ("name", "low", "high", "expected"),
    [
        # The logs of the masses by mpmath, with 60 digits.
        ("Normal", 38.0, 39.0, -726.5572160188201),
        ("Normal", -39.0, -38.0, -726.5572160188201),
        ("Normal", 100.0, None, -5005.524208694205),
        ("Logistic", 800.0, 801.0, -800.4586751453871),
        ("Laplace", 900.0, None, -900.6931471805599),
        ("Exponential", 1000.0, 1001.0, -1000.4586751453871),
        ("Cauchy", 1e15, 2e15, math.log(1 / (2 * math.pi * 1e15))),
    ],
)
def test_masses_far_out_do_not_vanish(
    name: str, low: float, high: float | None, expected: float
) -> None:
    standard = (1.0,) if name == "Exponential" else (0.0, 1.0)
    x = low if high is None else (low + high) / 2
    given = arguments(name, low, high, standard)
    plain = {k: v for k, v in given.items() if k not in ("low", "high")}
    base = float(distribution(name, plain).log_prob(torch.tensor([x], dtype=torch.float64)))
    assert base - log_density(name, given, x) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("bounds", [(0.3, 1.9), (0.3, None), (None, 1.9), (8.0, 9.0)])
@pytest.mark.parametrize("name", FROZEN)
def test_gradients_in_parameters_and_bounds(
    name: str, bounds: tuple[float | None, float | None]
) -> None:
    given = arguments(name, *bounds)
    names = list(given)
    x = torch.tensor([1.0 if bounds[0] != 8.0 else 8.4], dtype=torch.float64)

    def total(*values: torch.Tensor) -> torch.Tensor:
        at = dict(zip(names, values, strict=True))
        return log_probs(PREFIX + name, at, log_prob_inside(PREFIX + name, at), x).sum()

    assert torch.autograd.gradcheck(total, tuple(v.requires_grad_() for v in given.values()))


@pytest.mark.parametrize("bounds", [(0.3, 1.9), (0.3, None), (None, 1.9), (8.0, 9.0)])
@pytest.mark.parametrize("name", FROZEN)
def test_draws_have_the_distribution(name: str, bounds: tuple[float | None, float | None]) -> None:
    given = {k: v.expand(400) for k, v in arguments(name, *bounds).items()}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        drawn = distribution(PREFIX + name, given).sample().numpy()
    frozen = FROZEN[name][1]
    begin = frozen.sf(-math.inf if bounds[0] is None else bounds[0])
    stop = frozen.sf(math.inf if bounds[1] is None else bounds[1])
    levels = (begin - frozen.sf(drawn)) / (begin - stop)
    assert stats.kstest(levels, "uniform").pvalue > 1e-3


def test_others_are_those_of_scipy() -> None:
    x = torch.linspace(0.1, 6, 20, dtype=torch.float64)[None]
    skew = {"loc": 1.0, "scale": 2.0, "alpha": -3.0}
    half = {"df": 3.0, "scale": 2.0}
    for name, values, frozen, factor in (
        ("SkewNormal", skew, stats.skewnorm(-3, 1, 2), 0.0),
        ("HalfStudentT", half, stats.t(3, scale=2), math.log(2)),
    ):
        given = {k: torch.tensor(v, dtype=torch.float64).expand(1, 20) for k, v in values.items()}
        found = log_probs(name, given, log_prob_inside(name, given), x)[0]
        expected = torch.tensor(frozen.logpdf(x[0].numpy()) + factor)
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
