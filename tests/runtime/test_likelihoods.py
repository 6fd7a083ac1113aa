"""Likelihoods of data: posteriors and evidence against closed forms and quadrature."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import special, stats

import poedsl
from poedsl.runtime.build.ancestral_prior import Conjugate, Prior
from poedsl.runtime.build.laplace_base import LaplaceBase
from poedsl.runtime.build.prepare import prepare
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.results.result import Result
from tests.diagnostics import quoted, refused

#: The error of a mean of 1000 particles, in standard deviations, that no seed here exceeds.
OFF = 0.12
#: The same of the evidence.
OFF_LOG_Z = 0.06


def moments(result: Result, name: str) -> tuple[float, float]:
    weights, x = result.log_weights.exp(), result.particles[name].double()
    mean = float((weights * x).sum())
    return mean, math.sqrt(float((weights * (x - mean).square()).sum()))


def agree(result: Result, name: str, mean: float, spread: float) -> None:
    found = moments(result, name)
    assert found[0] == pytest.approx(mean, abs=OFF * spread)
    assert found[1] == pytest.approx(spread, rel=OFF)


CONJUGATE = """
input y : Real[_]
input coins : Int[_]
input events : Int[_]
input hits : Int[_]
input kinds : Int[_]
theta ~ Normal(0.5, 2)
y ~ Normal(theta, 1.5)
p ~ Beta(2, 3)
coins ~ Bernoulli(p)
rate ~ Gamma(2, 1)
events ~ Poisson(rate)
chance ~ Beta(1, 2)
hits ~ Binomial(10, chance)
shares : Real[3]
shares ~ Dirichlet([1, 2, 1.5])
kinds ~ Categorical(shares)
"""


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize("seed", range(2))
def test_conjugate_priors(seed: int) -> None:
    """Five pairs of a prior and data in one program, each independent of the others."""
    y, coins = np.array([1.2, 0.4, 2.0, 1.1, 3.3]), np.array([1, 0, 1, 1, 0, 1, 1, 1])
    events, hits, counts = np.array([2, 0, 5, 3]), np.array([3, 7, 2]), np.array([4, 1, 7])
    kinds = np.repeat(np.arange(3), counts)
    data = {"y": y, "coins": coins, "events": events, "hits": hits, "kinds": kinds}
    result = poedsl.compile(CONJUGATE).bind(**data).run(seed=seed)
    precision = 1 / 4 + len(y) / 1.5**2
    agree(result, "theta", (0.5 / 4 + y.sum() / 1.5**2) / precision, precision**-0.5)
    agree(result, "p", *mean_and_spread(stats.beta(2 + 6, 3 + 2)))
    agree(result, "rate", *mean_and_spread(stats.gamma(2 + events.sum(), scale=1 / 5)))
    agree(result, "chance", *mean_and_spread(stats.beta(1 + 12, 2 + 18)))
    alpha = np.array([1.0, 2.0, 1.5])
    mean = (result.log_weights.exp()[:, None] * result.particles["shares"]).sum(0).numpy()
    assert mean == pytest.approx((alpha + counts) / (alpha + counts).sum(), abs=0.02)
    covariance = 1.5**2 * np.eye(5) + 4
    log_z = stats.multivariate_normal(np.full(5, 0.5), covariance).logpdf(y)
    log_z += special.betaln(8, 5) - special.betaln(2, 3)
    a = 2 + events.sum()
    log_z += special.gammaln(a) - a * math.log(5) - special.gammaln(events + 1).sum()
    log_z += special.betaln(13, 20) - special.betaln(1, 2) + np.log(special.comb(10, hits)).sum()
    log_z += log_dirichlet(alpha + counts) - log_dirichlet(alpha)
    assert result.log_evidence == pytest.approx(float(log_z), abs=OFF_LOG_Z)


def mean_and_spread(posterior: Any) -> tuple[float, float]:
    return posterior.mean(), posterior.std()


def log_dirichlet(alpha: np.ndarray) -> float:
    """Log of the integral of prod_k p_k^(alpha_k - 1)."""
    return float(special.gammaln(alpha).sum() - special.gammaln(alpha.sum()))


def log_product(program: str, x: list[float], **data: object) -> list[float]:
    """The log of the product of a program at points of its only variable, in its own units."""
    plan = poedsl.compile(program).bind(**data).with_options(path="temper()").spec
    target = prepare(plan, RunSettings()).target
    env = target.environment.with_values({"a": torch.tensor(x, dtype=torch.float64)})
    total = sum(factor.log_value(env) for factor in target.reward_factors)
    assert isinstance(total, torch.Tensor)
    return total.tolist()


#: Points of the only variable.
X = [-1.3, 0.0, 0.4, 2.0]


@pytest.mark.parametrize(
    ("statement", "same"),
    [
        ("for n in range(4):\n    y[n] ~ Bernoulli(logits = a)", "y ~ Bernoulli(logits = a)"),
        ("y ~ Bernoulli(1 / (1 + exp(-a)))", "y ~ Bernoulli(logits = a)"),
        ("y[1:] ~ Normal(a * y[:-1], 1)", "for n in range(3):\n    y[n + 1] ~ Normal(a * y[n], 1)"),
        (
            "y ~ Normal(a, 2)^0.5",
            "a ~ exp(-sum((y - a)^2) / 16 - 2 * log(2 * sqrt(6.283185307179586)))",
        ),
        ("y ~ Normal(a, 1) / Normal(a, 2)", "y ~ Normal(a, 1) * Normal(a, 2)^-1"),
        ("y ~ Normal(a, 1) * where(a > 0)", "y ~ Normal(a, 1)\na ~ where(a > 0)"),
        (
            "y ~ mixture(0.3: Normal(a, 1), 0.7: Normal(-a, 2))",
            "for n in range(4):\n    y[n] ~ mixture(0.3: Normal(a, 1), 0.7: Normal(-a, 2))",
        ),
        ("y ~ Normal(a, 1)", "a ~ exp(sum(log_prob(Normal(a, 1), y)))"),
        ("y ~ Normal(a, 1)", "let r = y - a\na ~ exp(sum(log_prob(Normal(0, 1), r)))"),
        ("y ~ Bernoulli(logits = a)", "a ~ exp(sum(log_prob(Bernoulli(logits = a), y)))"),
        (
            "y ~ mixture(0.3: Normal(a, 1), 0.7: Cauchy(0, 1))",
            "let w = 0.3 + 0 * a\ny ~ mixture(w: Normal(a, 1), 1 - w: Cauchy(0, 1))",
        ),
        (
            "y[:3] ~ Categorical(logits = [a, 0, 1])",
            "a ~ exp(sum(log_prob(Categorical(logits = [a, 0, 1]), y[:3])))",
        ),
        (
            "y ~ MultivariateNormal([a, a, 0, 0], I)",
            "a ~ exp(log_prob(MultivariateNormal([a, a, 0, 0], I), y))",
        ),
        ("y ~ MultivariateNormal([a, a, 0, 0], I)", "y[:2] ~ Normal(a, 1)\ny[2:] ~ Normal(0, 1)"),
    ],
)
def test_ways_to_say_the_same(statement: str, same: str) -> None:
    identity = "let I = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]"
    begin = f"input y : Int[4]\n{identity}\na ~ Normal(0, 1)"
    found, expected = (log_product(f"{begin}\n{s}", X, y=[1, 0, 1, 1]) for s in (statement, same))
    assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize("seed", range(3))
def test_logistic_regression_by_quadrature(seed: int) -> None:
    x, y = np.array([-2.0, -1, 0, 1, 2, 3]), np.array([0, 0, 1, 0, 1, 1])
    program = """
        input x : Real[_]
        input y : Int[_]
        alpha ~ Normal(0, 2)
        beta ~ Normal(0, 2)
        y ~ Bernoulli(logits = alpha + beta * x)
    """
    result = poedsl.compile(program).bind(x=x, y=y).run(seed=seed)
    grid = np.linspace(-12, 12, 601)
    a, b = np.meshgrid(grid, grid, indexing="ij")
    eta = (a[..., None] + b[..., None] * x) * (2 * y - 1)
    logs = -np.logaddexp(0, -eta).sum(-1) - (a**2 + b**2) / 8 - math.log(8 * math.pi)
    mass = np.exp(logs)
    total = mass.sum() * (grid[1] - grid[0]) ** 2
    mean = (mass * b).sum() / mass.sum()
    agree(result, "beta", mean, math.sqrt((mass * (b - mean) ** 2).sum() / mass.sum()))
    assert result.log_evidence == pytest.approx(math.log(total), abs=OFF_LOG_Z)


@pytest.mark.parametrize(
    ("program", "data", "code"),
    [
        ("y ~ Bernoulli(0.5 * a^2)", [0, 1, 2, -1], "P0607"),
        ("y ~ Binomial(3, logits = a)", [0, 4, 1], "P0607"),
        ("y ~ Poisson(exp(a))", [1, -2], "P0607"),
        ("y ~ Categorical(logits = [a, 0, 1])", [0, 1, 3], "P0607"),
        ("y ~ Multinomial(4, logits = [a, 0])", [2, 3], "P0607"),
        ("y ~ Gamma(exp(a), 1)", [1, -2], "P0607"),
        ("y ~ Normal(a, 1)", [], "P0607"),
        ("y ~ Normal([a, 1, 2], 1)", [1, 2], "P0603"),
        ("y ~ Normal(a * [1, 2, 3], 1)", [1, 2], "P0603"),
        ("y ~ Binomial([1, 2, 3], logits = a)", [1, 2], "P0603"),
    ],
)
def test_data_that_do_not_fit_are_refused_before_the_run(
    program: str, data: list[int], code: str
) -> None:
    plan = poedsl.compile(f"input y : Int[_]\na ~ Normal(0, 1)\n{program}").bind(y=data)
    with refused(code):
        plan.run(seed=0)


def test_the_first_rows_out_of_the_support_are_named() -> None:
    program = "input y : Int[_]\np ~ Beta(1, 1)\ny[1:] ~ Bernoulli(p)"
    plan = poedsl.compile(program).bind(y=[3, 0, 1, 2, 1, -1])
    with refused("P0607") as found:
        plan.run(seed=0)
    assert {"y[1:][2]", "y[1:][4]"} <= quoted(found[0])


def test_mixed_lengths_name_both_declarations() -> None:
    program = "input x : Real[_]\ninput y : Real[_]\na ~ Normal(0, 1)\ny ~ Normal(a * x, 1)"
    plan = poedsl.compile(program).bind(x=[1, 2, 3], y=[1, 2])
    with refused("P0603") as found:
        plan.run(seed=0)
    assert {"x : Real[_]", "y : Real[_]"} <= quoted(found[0])


@pytest.mark.slow
@pytest.mark.statistical
def test_bounds_and_flat_priors() -> None:
    """An unknown mean of data that are cut off above, by quadrature."""
    y = np.array([1.2, 0.7, 2.1, 1.9])
    program = "input y : Real[_]\nm ~ Flat()\nm ~ TruncatedNormal(0, 3, low = -1)"
    result = poedsl.compile(f"{program}\ny ~ TruncatedNormal(m, 1, high = 2.5)").bind(y=y).run()
    grid = np.linspace(-1, 14, 20_001)
    logs = stats.truncnorm(-1 / 3, math.inf, scale=3).logpdf(grid)
    logs += stats.norm(grid[:, None]).logpdf(y).sum(-1) - 4 * stats.norm(grid).logcdf(2.5)
    mass = np.exp(logs)
    mean = (grid * mass).sum() / mass.sum()
    agree(result, "m", mean, math.sqrt(((grid - mean) ** 2 * mass).sum() / mass.sum()))
    log_z = math.log(mass.sum() * (grid[1] - grid[0]))
    assert result.log_evidence == pytest.approx(log_z, abs=OFF_LOG_Z)


def test_data_that_are_zero_at_the_end_of_a_support_are_named() -> None:
    program = "input y : Real[_]\na ~ Normal(0, 1)\ny ~ LogNormal(a, 1)"
    plan = poedsl.compile(program).bind(y=[1.0, 0.0, 2.0])
    with refused("P0607") as found:
        plan.run(seed=0)
    assert "y[1]" in quoted(found[0])


@pytest.mark.slow
def test_gaussian_data_about_a_hierarchy_are_drawn_with_it() -> None:
    """The base of the path counts them as it does a constant Gaussian over the variable."""
    begin = "m ~ Normal(0, 5)\ns ~ HalfCauchy(5)\nx : Real[3]\nx ~ Normal(m, s)"
    data = poedsl.compile(f"input y : Real[3] = [1, 2, 4]\n{begin}\ny ~ Normal(x, [1, 2, 3])")
    constant = poedsl.compile(f"{begin} * Normal([1, 2, 4], [1, 2, 3])")
    # Four data, two of them about the first component: means 1 and 4 of variances 1 and 9.
    rows = "input g : Int[_] = [0, 1, 2, 0]\ninput y : Real[_] = [0, 2, 4, 2]"
    indexed = poedsl.compile(f"{rows}\n{begin}\ny ~ Normal(x[g], [2^0.5, 2, 3, 2^0.5])")
    conjugate = []
    for plan in (data, constant, indexed):
        base = prepare(plan.bound().spec, RunSettings()).target.base
        prior = base.wide if isinstance(base, LaplaceBase) else base
        assert isinstance(prior, Prior)
        site = next(s for s in prior.sites if isinstance(s, Conjugate))
        conjugate.append((site.precision, site.pull))
    torch.testing.assert_close(conjugate[0], conjugate[1])
    torch.testing.assert_close(conjugate[0], conjugate[2])
