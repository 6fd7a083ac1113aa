"""Densities of whole numbers against scipy's, and their gradients."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from scipy import stats

from poedsl.catalog.registry import SIGNATURES
from poedsl.experts.densities.discrete import DISCRETE
from poedsl.experts.densities.pyro_densities import log_prob_inside, log_probs

COUNTS = [0, 1, 2, 5, 9, 40]
#: Arguments, data, and what scipy has for them.
CASES: dict[str, tuple[dict[str, Any], list[Any], Callable[..., Any]]] = {
    "Bernoulli": ({"probs": 0.3}, [0, 1], lambda x: stats.bernoulli(0.3).logpmf(x)),
    "Binomial": (
        {"total_count": 40, "probs": 0.3},
        COUNTS,
        lambda x: stats.binom(40, 0.3).logpmf(x),
    ),
    "Poisson": ({"rate": 3.5}, COUNTS, lambda x: stats.poisson(3.5).logpmf(x)),
    "NegativeBinomial": (
        {"total_count": 2.5, "probs": 0.3},
        COUNTS,
        lambda x: stats.nbinom(2.5, 0.7).logpmf(x),
    ),
    "Geometric": ({"probs": 0.3}, COUNTS, lambda x: stats.geom(0.3, loc=-1).logpmf(x)),
    "Categorical": (
        {"probs": [0.2, 0.5, 0.3]},
        [0, 1, 2],
        lambda x: [math.log([0.2, 0.5, 0.3][i]) for i in x],
    ),
    "Multinomial": (
        {"total_count": 6, "probs": [0.2, 0.5, 0.3]},
        [[6, 0, 0], [1, 2, 3], [0, 6, 0]],
        lambda x: stats.multinomial(6, [0.2, 0.5, 0.3]).logpmf(x),
    ),
    "BetaBinomial": (
        {"concentration1": 2.0, "concentration0": 3.5, "total_count": 40},
        COUNTS,
        lambda x: stats.betabinom(40, 2.0, 3.5).logpmf(x),
    ),
}


def double(value: object) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.float64)


def by_name(name: str, arguments: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    return log_probs(name, arguments, log_prob_inside(name, arguments), x)


def expanded(name: str, arguments: dict[str, Any], x: torch.Tensor) -> dict[str, torch.Tensor]:
    """Arguments in one row, as wide as the data."""
    out = {}
    for key, value in arguments.items():
        tensor = double(value)
        parameter = SIGNATURES[name].parameter(key)
        assert parameter is not None
        batch = x.shape[1 : x.dim() + min(parameter.trailing, 0)]
        own = tensor.shape if parameter.trailing > 0 else ()
        out[key] = tensor.expand(1, *batch, *own)
    return out


def test_every_discrete_density_is_tested() -> None:
    assert CASES.keys() == DISCRETE.keys()


@pytest.mark.parametrize("name", CASES)
def test_densities_are_those_of_scipy(name: str) -> None:
    arguments, data, expected = CASES[name]
    x = double(data)[None]
    found = by_name(name, expanded(name, arguments, x), x)[0]
    torch.testing.assert_close(found, double(expected(data)), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", [n for n in CASES if "probs" in CASES[n][0]])
def test_logits_are_another_way_to_say_the_same(name: str) -> None:
    arguments, data, _ = CASES[name]
    x, p = double(data)[None], double(arguments["probs"])
    logits = p.log() if p.dim() else p.logit()
    others = {k: v for k, v in arguments.items() if k != "probs"}
    same = expanded(name, {**others, "logits": logits.tolist()}, x)
    torch.testing.assert_close(
        by_name(name, same, x), by_name(name, expanded(name, arguments, x), x)
    )


@pytest.mark.parametrize("name", ["Bernoulli", "Binomial", "NegativeBinomial", "Geometric"])
@pytest.mark.parametrize("logit", [-800.0, -40.0, 40.0, 800.0])
def test_extreme_log_odds_do_not_overflow(name: str, logit: float) -> None:
    arguments = {k: v for k, v in CASES[name][0].items() if k != "probs"}
    x = double([1.0])[None]
    logits = torch.full((1, 1), logit, dtype=torch.float64, requires_grad=True)
    others = expanded(name, arguments, x)
    value = by_name(name, {**others, "logits": logits}, x)
    (slope,) = torch.autograd.grad(value.sum(), logits)
    assert bool(value.isfinite().all())
    assert bool(slope.isfinite().all())
    assert float(value.detach()) <= 0


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_those_of_differences(name: str) -> None:
    arguments, data, _ = CASES[name]
    x = double(data)[None]
    fixed = expanded(name, arguments, x)
    for key in arguments:
        if key == "total_count" and name != "NegativeBinomial":
            continue
        if name in ("Categorical", "Multinomial"):
            continue  # steps leave the simplex: by logits below

        def total(value: torch.Tensor, key: str = key) -> torch.Tensor:
            return by_name(name, {**fixed, key: value.expand_as(fixed[key])}, x).sum()

        point = double(arguments[key]).requires_grad_()
        assert torch.autograd.gradcheck(total, (point,))
    if "probs" in arguments:
        logits = double(arguments["probs"]).log().requires_grad_()
        others = {k: v for k, v in fixed.items() if k != "probs"}
        shape = fixed["probs"].shape

        def by_logits(value: torch.Tensor) -> torch.Tensor:
            return by_name(name, {**others, "logits": value.expand(shape)}, x).sum()

        assert torch.autograd.gradcheck(by_logits, (logits,))


def test_certain_outcomes_have_gradients() -> None:
    p = torch.tensor([[0.0, 1.0]], dtype=torch.float64, requires_grad=True)
    value = by_name("Bernoulli", {"probs": p}, double([0.0, 1.0])[None])
    (slope,) = torch.autograd.grad(value.sum(), p)
    assert value.tolist() == [[0, 0]]
    assert slope.tolist() == [[-1, 1]]


@pytest.mark.parametrize(
    ("name", "arguments", "x"),
    [
        ("Bernoulli", {"probs": 1.2}, 1.0),
        ("Binomial", {"total_count": 3, "probs": -0.1}, 1.0),
        ("Poisson", {"rate": -1.0}, 0.0),
        ("NegativeBinomial", {"total_count": -1.0, "probs": 0.5}, 2.0),
        ("BetaBinomial", {"concentration1": -1.5, "concentration0": 1, "total_count": 3}, 1.0),
    ],
)
def test_parameters_out_of_their_range_have_no_value(
    name: str, arguments: dict[str, Any], x: float
) -> None:
    data = double([x])[None]
    assert math.isnan(float(by_name(name, expanded(name, arguments, data), data)))


@pytest.mark.parametrize(
    ("name", "x"), [("Bernoulli", 2.0), ("Binomial", 41.0), ("Poisson", -1.0), ("Categorical", 3.0)]
)
def test_they_are_zero_outside_of_their_support(name: str, x: float) -> None:
    data = double([x])[None]
    found = by_name(name, expanded(name, CASES[name][0], data), data)
    assert found.tolist() == [[-math.inf]]


def test_counts_that_do_not_add_up_have_no_chance() -> None:
    x = double([[1, 2, 4]])[None]
    arguments = expanded("Multinomial", CASES["Multinomial"][0], x)
    assert by_name("Multinomial", arguments, x).tolist() == [[-math.inf]]
