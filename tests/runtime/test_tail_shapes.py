"""Shapes of tails against those of distributions, and what a run says of means without a value."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Cauchy, Exponential, Normal, Pareto, StudentT, Uniform

import poedsl
from poedsl.runtime.results.posterior_summary import LARGEST_SHAPE
from poedsl.runtime.results.tail_shapes import PRIOR_DRAWS, PRIOR_SHAPE, tail_shapes
from poedsl.runtime.results.verdict import Verdict

REPEATS = 50


def number(value: float) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.float64)


@pytest.mark.parametrize(
    ("distribution", "shape"),
    [
        (Normal(number(0), number(1)), 0.0),
        (Exponential(number(1)), 0.0),
        (StudentT(number(4)), 0.25),
        (StudentT(number(2)), 0.5),
        (Cauchy(number(0), number(1)), 1.0),
        (Cauchy(number(1e6), number(1e-3)), 1.0),
        (Pareto(number(1), number(0.5)), 2.0),
        (Uniform(number(0), number(1)), -1.0),
    ],
)
def test_the_shape_of_a_distribution(
    distribution: torch.distributions.Distribution, shape: float
) -> None:
    """The mean over data sets. The heavier of two equal tails has a larger estimate than each."""
    torch.manual_seed(1)
    x = distribution.sample(torch.Size((2000, REPEATS)))
    found = tail_shapes(x, torch.full((2000,), 1 / 2000, dtype=torch.float64))
    count = 3 * math.sqrt(2000)
    prior = PRIOR_DRAWS * PRIOR_SHAPE
    expected = (count * shape + prior) / (count + PRIOR_DRAWS)
    assert float(found.mean()) == pytest.approx(expected, abs=0.12)


def test_weights_make_tails_light() -> None:
    """Draws of a Cauchy distribution with the weights of a normal one."""
    torch.manual_seed(2)
    normal, cauchy = Normal(number(0), number(1)), Cauchy(number(0), number(1))
    x = cauchy.sample(torch.Size((20_000, 1)))
    weights = (normal.log_prob(x) - cauchy.log_prob(x))[:, 0].softmax(0)
    assert float(tail_shapes(x, weights)) < 0.3


def test_too_few_draws_or_no_spread_have_no_shape() -> None:
    even = torch.full((64,), 1 / 64, dtype=torch.float64)
    assert tail_shapes(torch.randn(64, 2).double(), even).isnan().all()
    even = torch.full((2000,), 1 / 2000, dtype=torch.float64)
    assert tail_shapes(torch.ones(2000, 1).double(), even).isnan().all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "heavy"),
    [
        ("x ~ Cauchy(0, 1)", True),
        ("x ~ HalfCauchy(5)", True),
        ("x ~ Cauchy(0, 1) * Normal(1, 3)", False),
        ("x ~ StudentT(4, 0, 1)", False),
        ("x ~ Gamma(0.5, 1)", False),
    ],
)
def test_a_mean_that_does_not_exist_is_said_to(program: str, heavy: bool) -> None:
    """It is a warning that leaves the verdict as it is: quantiles are right."""
    result = poedsl.compile(program).run(seed=3, particles=2000)
    assert result.verdict is Verdict.RELIABLE
    assert [w.code for w in result.warnings] == (["P1025"] if heavy else [])
    shape = result.posterior["x"].tail_shape
    assert shape is not None and (shape > LARGEST_SHAPE) == heavy
