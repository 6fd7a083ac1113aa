"""The programs of docs/from-stan.md: posterior means against quadrature and closed forms."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import poedsl
from poedsl.compiler.compile import compile_source
from poedsl.grammar.formatting.format import format_source
from poedsl.grammar.source import Source

PAGE = Path(__file__).parents[2] / "docs" / "from-stan.md"
PROGRAMS = {
    title: program
    for title, program in re.findall(
        r"^## ([^\n]*)\n(?:(?!^## ).)*?^```stan\n.*?^```\n\n```poe\n(.*?)^```$",
        PAGE.read_text(encoding="utf-8"),
        re.M | re.S,
    )
}
#: Means and standard deviations, by the names of components.
Moments = dict[str, tuple[float, float]]


class Case(NamedTuple):
    """Data, and the moments of the posterior by another method."""

    data: dict[str, Any]
    moments: Callable[[], Moments]


def normal(y: Any, loc: Any, scale: Any) -> Any:
    return -0.5 * ((y - loc) / scale) ** 2 - np.log(scale)


def grid(log_density: Callable[..., Any], **axes: np.ndarray) -> Moments:
    """Moments by the rectangle rule on a grid, from an unnormalised log density."""
    mesh = np.meshgrid(*axes.values(), indexing="ij")
    logs = log_density(*mesh)
    weights = np.exp(logs - logs.max())
    weights /= weights.sum()
    out = {}
    for name, points in zip(axes, mesh, strict=True):
        mean = float((weights * points).sum())
        out[name] = (mean, float(np.sqrt((weights * (points - mean) ** 2).sum())))
    return out


def gaussian(design: np.ndarray, y: Any, sd: float, precision: np.ndarray) -> np.ndarray:
    """Mean and standard deviations of weights with a normal prior of mean zero, (2, K)."""
    total = precision + design.T @ design / sd**2
    return np.stack(
        [
            np.linalg.solve(total, design.T @ np.asarray(y) / sd**2),
            np.diag(np.linalg.inv(total)) ** 0.5,
        ]
    )


X = [-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0]
Y = [-1.4, -1.2, 0.3, 0.6, 0.8, 2.2, 2.1, 3.4]
BINARY = [0, 0, 1, 0, 1, 0, 1, 1]
COUNTS = [0, 1, 0, 2, 1, 4, 5, 9]
SERIES = [0.5, 0.9, 0.4, 1.3, 1.6, 1.1, 0.7, 1.2, 1.9, 1.4]
RETURNS = [0.3, -1.4, 2.2, -0.4, 0.9, -2.6, 1.1, 0.2]


def lines(tail: Callable[[Any, Any], Any]) -> Moments:
    """A straight line with noise of a log density `tail(residual, sigma)`."""

    def log_density(alpha: Any, beta: Any, sigma: Any) -> Any:
        prior = normal(alpha, 0, 5) + normal(beta, 0, 5) + normal(sigma, 0, 2)
        fits = [tail(y - alpha - beta * x, sigma) for x, y in zip(X, Y, strict=True)]
        return prior + sum(fits)

    axes = {"alpha": np.linspace(-2, 3, 41), "beta": np.linspace(-1, 4, 41)}
    return grid(log_density, **axes, sigma=np.linspace(0.02, 3, 90))


def students(residual: Any, sigma: Any) -> Any:
    return -2.5 * np.log1p((residual / sigma) ** 2 / 4) - np.log(sigma)


def logistic(alpha: Any, beta: Any) -> Any:
    signs = [(2 * y - 1, x) for x, y in zip(X, BINARY, strict=True)]
    logs = [-np.logaddexp(0, -s * (alpha + beta * x)) for s, x in signs]
    return normal(alpha, 0, 2.5) + normal(beta, 0, 2.5) + sum(logs)


def poisson(alpha: Any, beta: Any) -> Any:
    rates = [alpha + beta * x for x in X]
    logs = [y * r - np.exp(r) for y, r in zip(COUNTS, rates, strict=True)]
    return normal(alpha, 0, 2) + normal(beta, 0, 2) + sum(logs)


DESIGN = np.array([[1, x, x**2 - 1] for x in X])


def predictors() -> Moments:
    found = gaussian(DESIGN, Y, 0.5, np.eye(3) / 4)
    return {f"beta[{k}]": (found[0, k], found[1, k]) for k in range(3)}


GROUPS = [0, 0, 1, 1, 1, 2, 2, 2]


def intercepts() -> Moments:
    """The weights are mu and the differences a - mu."""
    design = np.array([[1.0, *(float(g == k) for k in range(3))] for g in GROUPS])
    precision = np.diag([1 / 9, 1, 1, 1])
    total = precision + design.T @ design / 0.25
    mean, cov = np.linalg.solve(total, design.T @ np.array(Y) / 0.25), np.linalg.inv(total)
    out = {"mu": (float(mean[0]), float(cov[0, 0] ** 0.5))}
    for k in range(3):
        sums = np.eye(4)[0] + np.eye(4)[k + 1]
        out[f"a[{k}]"] = (float(sums @ mean), float((sums @ cov @ sums) ** 0.5))
    return out


EFFECTS, ERRORS = [28, 8, -3, 7, -1, 1, 18, 12], [15, 10, 16, 11, 9, 11, 10, 18]


def schools() -> Moments:
    """The effects are integrated out."""

    def log_density(mu: Any, tau: Any) -> Any:
        prior = normal(mu, 0, 5) - np.log1p((tau / 5) ** 2)
        pairs = zip(EFFECTS, ERRORS, strict=True)
        return prior + sum(normal(y, mu, np.sqrt(s**2 + tau**2)) for y, s in pairs)

    axes = {"mu": np.linspace(-15, 25, 161), "tau": np.linspace(0.005, 60, 1500)}
    return grid(log_density, **axes)


TRIALS, SUCCESSES = [5, 8, 3, 10], [2, 5, 1, 4]


def rates() -> Moments:
    a, b = 2 + sum(SUCCESSES), 2 + sum(TRIALS) - sum(SUCCESSES)
    return {"p": (a / (a + b), (a * b / (a + b) ** 2 / (a + b + 1)) ** 0.5)}


MIXED = [-2.1, -1.4, 1.2, 0.8, 2.3, 1.9, -1.7, 1.5]


def mixture(low: Any, high: Any) -> Any:
    logs = [
        np.logaddexp(np.log(0.3) + normal(y, low, 0.7), np.log(0.7) + normal(y, high, 0.7))
        for y in MIXED
    ]
    return normal(low, 0, 3) + normal(high, 0, 3) + sum(logs) + np.where(low < high, 0, -np.inf)


def autoregression(alpha: Any, beta: Any, sigma: Any) -> Any:
    prior = normal(alpha, 0, 2) + normal(beta, 0, 1) + normal(sigma, 0, 1)
    pairs = zip(SERIES[1:], SERIES[:-1], strict=True)
    return prior + sum(normal(y, alpha + beta * e, sigma) for y, e in pairs)


def volatility(a: Any, b: Any) -> Any:
    total, variance = -2 * a, 1 + 0 * a
    for k, y in enumerate(RETURNS):
        variance = variance if k == 0 else 0.2 + a * RETURNS[k - 1] ** 2 + b * variance
        total = total + normal(y, 0, np.sqrt(variance))
    return total


TIMES, CENSORED = [0.4, 1.2, 0.7, 2.1, 0.3], [1.5, 2.5, 3.0]


def survival() -> Moments:
    shape, rate = 2 + len(TIMES), 1 + sum(TIMES) + sum(CENSORED)
    return {"rate": (shape / rate, shape**0.5 / rate)}


def noisy_predictor(beta: Any) -> Any:
    """The true values of the predictor are integrated out."""
    determinant = 1.25 * (beta**2 + 0.09) - beta**2
    logs = [
        -0.5 * ((beta**2 + 0.09) * x**2 - 2 * beta * x * y + 1.25 * y**2) / determinant
        - 0.5 * np.log(determinant)
        for x, y in zip(X, Y, strict=True)
    ]
    return normal(beta, 0, 2) + sum(logs)


def process() -> Moments:
    places, y = np.array(X), np.array(Y) - np.mean(Y)
    rho = np.linspace(0.02, 5, 400)
    squares = (places[:, None] - places) ** 2
    K = np.exp(-squares / (2 * rho[:, None, None] ** 2)) + 0.04 * np.eye(len(X))
    logs = 3 * np.log(rho) - 4 * rho - 0.5 * np.linalg.slogdet(K)[1]
    logs = logs - 0.5 * np.einsum("i,rij,j->r", y, np.linalg.inv(K), y)
    return grid(lambda r: logs + 0 * r, rho=rho)


ANSWERS = [[1, 0], [1, 1], [0, 0], [1, 0]]


def items() -> Moments:
    """The abilities are integrated out by Gauss-Hermite quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(30)

    def log_density(first: Any, second: Any) -> Any:
        total = normal(first, 0, 2) + normal(second, 0, 2)
        for answers in ANSWERS:
            chance = 0.0
            for node, weight in zip(nodes, weights, strict=True):
                logs = [
                    -np.logaddexp(0, -(2 * y - 1) * (node - d))
                    for y, d in zip(answers, (first, second), strict=True)
                ]
                chance = chance + weight * np.exp(sum(logs))
            total = total + np.log(chance)
        return total

    wide = np.linspace(-8, 8, 121)
    return grid(log_density, **{"difficulty[0]": wide, "difficulty[1]": wide})


LINE = {"x": X, "y": Y}
CASES: dict[str, Case] = {
    "Linear regression": Case(LINE, lambda: lines(lambda r, s: normal(r, 0, s))),
    "Robust regression": Case(LINE, lambda: lines(students)),
    "Logistic regression": Case(
        {"x": X, "y": BINARY},
        lambda: grid(logistic, alpha=np.linspace(-8, 8, 161), beta=np.linspace(-6, 10, 161)),
    ),
    "Poisson regression": Case(
        {"x": X, "y": COUNTS},
        lambda: grid(poisson, alpha=np.linspace(-5, 3, 161), beta=np.linspace(-2, 5, 161)),
    ),
    "Several predictors": Case({"X": DESIGN, "y": Y}, predictors),
    "Varying intercepts": Case({"J": 3, "group": GROUPS, "y": Y}, intercepts),
    "Eight schools": Case({"y": EFFECTS, "sigma": ERRORS}, schools),
    "Beta-binomial rate": Case({"trials": TRIALS, "y": SUCCESSES}, rates),
    "Mixture": Case(
        {"y": MIXED},
        lambda: grid(
            mixture, **{"mu[0]": np.linspace(-6, 6, 241), "mu[1]": np.linspace(-6, 6, 241)}
        ),
    ),
    "Autoregression": Case(
        {"y": SERIES},
        lambda: grid(
            autoregression,
            alpha=np.linspace(-3, 4, 81),
            beta=np.linspace(-2.5, 2.5, 81),
            sigma=np.linspace(0.05, 2, 60),
        ),
    ),
    "Volatility": Case(
        {"y": RETURNS},
        lambda: grid(volatility, a=np.linspace(0.001, 6, 400), b=np.linspace(0.001, 0.999, 200)),
    ),
    "Survival with censoring": Case({"t": TIMES, "censored": CENSORED}, survival),
    "Measurement error": Case(LINE, lambda: grid(noisy_predictor, beta=np.linspace(-3, 8, 2201))),
    "Gaussian process": Case({"x": X, "y": np.array(Y) - np.mean(Y)}, process),
    "Item response": Case(
        {
            "J": 4,
            "K": 2,
            "student": [0, 0, 1, 1, 2, 2, 3, 3],
            "item": [0, 1] * 4,
            "y": [y for answers in ANSWERS for y in answers],
        },
        items,
    ),
}


def test_every_program_has_a_reference() -> None:
    assert list(PROGRAMS) == list(CASES)


@pytest.mark.parametrize("title", PROGRAMS)
def test_programs(title: str) -> None:
    program = PROGRAMS[title]
    compiled = compile_source(Source(program))
    assert {d.code for d in compiled.diagnostics if d.severity != "note"} == set()
    assert format_source(program) == program


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize("title", CASES)
def test_posteriors(title: str) -> None:
    case = CASES[title]
    result = poedsl.compile(PROGRAMS[title]).run(seed=0, particles=500, **case.data)
    summary = result.summary()
    for name, (mean, sd) in case.moments().items():
        assert summary[name].mean == pytest.approx(mean, abs=0.2 * sd), name
        assert summary[name].sd == pytest.approx(sd, rel=0.25), name
