"""Densities between bounds against scipy's and against high precision, far in the tails too."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from scipy import special, stats

from poedsl.catalog.registry import SIGNATURES
from poedsl.catalog.truncated_densities import PREFIX, SHAPES, WITH_TAILS
from poedsl.experts.densities import incomplete_integrals
from poedsl.experts.densities.incomplete_integrals import (
    BETA_ABOVE,
    BETA_BELOW,
    GAMMA_ABOVE,
    GAMMA_BELOW,
    STUDENT_BELOW,
)
from poedsl.experts.densities.pyro_densities import distribution, log_prob_inside, log_probs
from poedsl.experts.densities.truncated import log_mass
from poedsl.grammar.errors import PoeError

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
    "Gamma": ((2.5, 1.5), stats.gamma(2.5, scale=1 / 1.5)),
    "InverseGamma": ((2.5, 0.2), stats.invgamma(2.5, scale=0.2)),
    "Chi2": ((3.0,), stats.chi2(3)),
    "Beta": ((2.5, 1.5), stats.beta(2.5, 1.5)),
    "StudentT": ((3.5, 0.5, 2.0), stats.t(3.5, 0.5, 2.0)),
}
BOUNDS = [(0.3, 1.9), (0.3, None), (None, 1.9), (2.5, 30.0), (1e-3, 2e-3)]


def inside(name: str, x: Any) -> Any:
    """A point above zero as one of a support."""
    return x / (1 + x) if name == "Beta" else x


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
    low, high = (None if bound is None else inside(name, bound) for bound in bounds)
    frozen = FROZEN[name][1]
    begin, stop = -math.inf if low is None else low, math.inf if high is None else high
    mass = frozen.cdf(stop) - frozen.cdf(begin)
    if begin > frozen.median():
        mass = frozen.sf(begin) - frozen.sf(stop)
    x = inside(name, 1.0)
    x = x if begin < x < stop else (begin + stop) / 2
    found = log_density(name, arguments(name, low, high), x)
    assert found == pytest.approx(frozen.logpdf(x) - math.log(mass), abs=1e-9)


STANDARD = {
    "Exponential": (1.0,),
    "Gamma": (2.5, 1.0),
    "InverseGamma": (2.5, 1.0),
    "Chi2": (3.0,),
    "Beta": (200.0, 3.0),
    "StudentT": (30.0, 0.0, 1.0),
}


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
        ("Gamma", 900.0, 901.0, -890.539069290444),
        ("Gamma", 1e-120, 2e-120, -690.4381613341346),
        ("InverseGamma", 1e-3, 2e-3, -490.95977222581945),
        ("Chi2", 2000.0, None, -996.4248404973332),
        ("Beta", 1e-3, 2e-3, -1233.007178324500),
        ("StudentT", 1e12, None, -780.540541769134),
        ("StudentT", -41.0, -40.0, -63.20581016862319),
    ],
)
def test_masses_far_out_do_not_vanish(
    name: str, low: float, high: float | None, expected: float
) -> None:
    standard = STANDARD.get(name, (0.0, 1.0))
    x = low if high is None else (low + high) / 2
    given = arguments(name, low, high, standard)
    plain = {k: v for k, v in given.items() if k not in ("low", "high")}
    point = torch.tensor([x], dtype=torch.float64)
    base = float(log_prob_inside(name, plain)(point))
    assert base - log_density(name, given, x) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("bounds", [(0.3, 1.9), (0.3, None), (None, 1.9), (8.0, 9.0)])
@pytest.mark.parametrize("name", FROZEN)
def test_gradients_in_parameters_and_bounds(
    name: str, bounds: tuple[float | None, float | None]
) -> None:
    given = arguments(name, *(None if b is None else inside(name, b) for b in bounds))
    names = [key for key in given if key not in SHAPES.get(name, ())]
    x = torch.tensor([inside(name, 1.0 if bounds[0] != 8.0 else 8.4)], dtype=torch.float64)

    def total(*values: torch.Tensor) -> torch.Tensor:
        at = given | dict(zip(names, values, strict=True))
        return log_probs(PREFIX + name, at, log_prob_inside(PREFIX + name, at), x).sum()

    points = tuple(given[key].requires_grad_() for key in names)
    assert torch.autograd.gradcheck(total, points, eps=1e-7)
    if name in SHAPES:
        assert torch.autograd.gradgradcheck(total, points, eps=1e-7)


@pytest.mark.parametrize("name", SHAPES)
def test_there_are_no_gradients_in_shapes(name: str) -> None:
    for shape in SHAPES[name]:
        given = arguments(name, inside(name, 0.3), inside(name, 1.9))
        given[shape].requires_grad_()
        x = torch.tensor([inside(name, 1.0)], dtype=torch.float64)
        total = log_probs(PREFIX + name, given, log_prob_inside(PREFIX + name, given), x).sum()
        with pytest.raises(PoeError) as error:
            total.backward()
        assert [d.code for d in error.value.diagnostics] == ["P0314"]


@pytest.mark.parametrize("name", SHAPES)
def test_elements_of_a_loop_are_those_one_by_one(name: str) -> None:
    given = arguments(name, inside(name, 0.3), None)
    highs = torch.tensor([1.2, 1.9, 4.0], dtype=torch.float64).requires_grad_()
    x = torch.tensor([inside(name, 1.0)], dtype=torch.float64)

    def at(high: torch.Tensor) -> torch.Tensor:
        values = {**given, "high": inside(name, high)[None]}
        return log_probs(PREFIX + name, values, log_prob_inside(PREFIX + name, values), x)

    together = torch.func.vmap(at)(highs)
    apart = torch.stack([at(high) for high in highs])
    torch.testing.assert_close(together, apart)
    gradients = [torch.autograd.grad(v.sum(), highs)[0] for v in (together, apart)]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("name", FROZEN)
def test_bounds_outside_of_a_support_are_none(name: str) -> None:
    support, at = SIGNATURES[name].support, inside(name, 1.0)
    for low, high, end in ((-3.0, None, support.low), (None, 3.0, support.high)):
        if end is not None:
            found = log_density(name, arguments(name, low, high), at)
            assert found == pytest.approx(FROZEN[name][1].logpdf(at), abs=1e-12)
            given = {k: v.expand(400) for k, v in arguments(name, low, high).items()}
            with torch.random.fork_rng():
                torch.manual_seed(0)
                drawn = distribution(PREFIX + name, given).sample().numpy()
            assert stats.kstest(drawn, FROZEN[name][1].cdf).pvalue > 1e-3


@pytest.mark.parametrize("name", FROZEN)
def test_the_mass_of_data_of_one_density_is_computed_once(name: str) -> None:
    rows = torch.tensor([[0.9], [1.0], [1.2]], dtype=torch.float64)
    given = {k: v * rows for k, v in arguments(name, inside(name, 0.3), inside(name, 1.9)).items()}
    low, high, *rest = (given.pop("low"), given.pop("high"), *given.values())
    one = log_mass(name, low, high, tuple(rest))
    expanded = [v.expand(3, 50) for v in (low, high, *rest)]
    found = log_mass(name, expanded[0], expanded[1], tuple(expanded[2:]))
    assert found.shape == (3, 1)
    torch.testing.assert_close(found, one)
    whole = log_mass(name, low.expand(3, 50), high.repeat(1, 50), tuple(rest))
    torch.testing.assert_close(whole, one.expand(3, 50))


@pytest.mark.parametrize("size", [0.001, 0.5, 3.0, 250.0, 20_000.0])
@pytest.mark.parametrize("place", [1e-3, 0.2, 0.9, 1.0, 1.1, 2.0, 40.0])
def test_incomplete_integrals_are_those_of_scipy(size: float, place: float) -> None:
    a, z, three, five = (
        torch.tensor(v, dtype=torch.float64) for v in (size, size * place, 3.0, 5.0)
    )
    x = float(a / (a + 3)) * min(place, 1.2) / 1.3
    point, t = (torch.tensor(v, dtype=torch.float64) for v in (x, 5 * place - 7))
    for found, expected in (
        (GAMMA_BELOW(z, a), special.gammainc(size, size * place)),
        (GAMMA_ABOVE(z, a), special.gammaincc(size, size * place)),
        (BETA_BELOW(point, a, three), special.betainc(size, 3, x)),
        (BETA_ABOVE(point, a, three), special.betaincc(size, 3, x)),
        (BETA_BELOW(point, five, a), special.betainc(5, size, x)),
        (STUDENT_BELOW(t, a), stats.t(size).cdf(5 * place - 7)),
    ):
        if expected > 1e-300:
            assert float(found.exp()) == pytest.approx(expected, rel=1e-10)


def test_continued_fractions_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounding keeps some of many points from a change below it."""
    monkeypatch.setattr(incomplete_integrals, "MOST_TERMS", 200)
    points = torch.linspace(0.01, 60, 100_001, dtype=torch.float64)
    shapes = torch.linspace(30, 0.01, 100_001, dtype=torch.float64)
    both = GAMMA_BELOW(points, shapes).exp() + GAMMA_ABOVE(points, shapes).exp()
    torch.testing.assert_close(both, torch.ones_like(both), rtol=1e-12, atol=0)
    counted = []
    fraction = incomplete_integrals._continued_fraction
    monkeypatch.setattr(
        incomplete_integrals,
        "_continued_fraction",
        lambda leading, terms: fraction(leading, lambda n: counted.append(n) or terms(n)),
    )
    GAMMA_ABOVE(points, shapes)
    STUDENT_BELOW(points - 30, shapes)
    assert max(counted) < 199


def test_the_mass_from_the_end_of_a_support_is_that_of_no_bound() -> None:
    for name in SHAPES:
        if name != "StudentT":
            shapes = (0.001, 2.0) if name != "Chi2" else (0.002,)
            high = inside(name, 3.0)
            whole = log_density(name, arguments(name, None, high, shapes), high / 2)
            found = log_density(name, arguments(name, 0.0, high, shapes), high / 2)
            assert found == pytest.approx(whole, abs=1e-12)


@pytest.mark.parametrize("bounds", [(0.3, 1.9), (0.3, None), (None, 1.9), (8.0, 9.0)])
@pytest.mark.parametrize("name", FROZEN)
def test_draws_have_the_distribution(name: str, bounds: tuple[float | None, float | None]) -> None:
    bounds = tuple(None if b is None else inside(name, b) for b in bounds)  # type: ignore[assignment]
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
