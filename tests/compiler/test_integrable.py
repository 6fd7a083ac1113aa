"""Soiffer et al., Theorem 1, on constants."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poedsl.compiler.functions import linear_algebra
from tests.compiler.programs import compiled


def refused(text: str) -> bool:
    return any(d.code == "P0404" for d in compiled(text).diagnostics)


@pytest.mark.parametrize(
    "product, wrong",
    [
        ("Normal(0, 1)^2 / Normal(0, 1)", False),
        ("Normal(0, 1)^2 / Normal(0, 0.7)", True),
        ("Normal(0, 1)^2 / Normal(0, 0.71)", False),
        ("Normal(0, 0.3)^3 / Normal(0, 0.3)^2 / Normal(0, 0.3)", True),
        ("Normal(0, [1, 1])^2 / Normal(0, [2, 0.5])", True),
        ("Normal(0, [1, 0.1])^2 / Normal(0, [2, 0.5])", False),
        ("MultivariateNormal(0, [[1, 0.9], [0.9, 1]])^2 / Normal(0, 1)", False),
        ("MultivariateNormal(0, [[1, 0.9], [0.9, 1]])^2 / Normal(0, 0.9)", True),
        ("MultivariateNormal(0, precision_matrix = [[1, 0.9], [0.9, 1]])^2 / Normal(0, 2)", True),
        ("MultivariateNormal(0, scale_tril = [[1, 0], [3, 1]])^2 / Normal(0, 3)", False),
        ("mixture(Normal(-2, 1), Normal(2, 3))^2 / Normal(0, 2)", True),
        ("mixture(Normal(-2, 1), Normal(2, 3))^2 / Normal(0, 3)", False),
        ("mixture(Normal(m, 1) for m in [0, 1])^2 / mixture(Normal(0, 1), Normal(0, 2))", False),
        ("Normal(0, 1e-200)^2 / Normal(0, 1e200)", False),
        ("Normal(0, 1)^2 / Normal(0, 0.5) * StudentT(3)", False),
    ],
)
def test_products(product: str, wrong: bool) -> None:
    assert refused(f"x : Real[2]\nx ~ {product}\n") is wrong


def test_what_depends_on_inputs_is_left_to_the_run() -> None:
    assert not refused("input s : Real\nx ~ Normal(0, 1)^2 / Normal(0, s)\n")
    assert not refused("input w : Real\nx ~ Normal(0, 1)^w / Normal(0, 0.1)\n")


def test_centres_do_not_matter() -> None:
    assert refused("input m : Real\nx ~ Normal(m, 1)^2 / Normal(-m, 0.5)\n")


def test_matrices_repeat_over_batches() -> None:
    base = "x : Real[3, 2]\nx ~ MultivariateNormal(0, [[1, 0.9], [0.9, 1]])^2"
    assert refused(f"{base} / Normal(0, 0.9)\n")
    assert not refused(f"{base} / Normal(0, 1)\n")
    assert refused(f"{base} / Normal(0, [[1, 1], [1, 1], [0.9, 0.9]])\n")


def test_every_divisor_is_labelled() -> None:
    (found,) = compiled("x ~ Normal(0, 1)^3 / Normal(0, 0.9) / Normal(0, 0.5)\n").diagnostics
    assert (found.code, found.here) == ("P0404", "too narrow for what it divides")
    assert [label.text for label in found.labels] == ["divides too"]


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_linear_algebra(n: int, seed: int) -> None:
    a = np.random.default_rng(seed).normal(size=(n, n))
    definite = (a @ a.T + 0.1 * np.eye(n)).tolist()
    lower = linear_algebra.cholesky(definite)
    assert lower is not None
    np.testing.assert_allclose(lower, np.linalg.cholesky(definite), atol=1e-9)
    np.testing.assert_allclose(linear_algebra.inverse(definite), np.linalg.inv(definite), rtol=1e-6)
    assert linear_algebra.cholesky((-np.array(definite)).tolist()) is None


@pytest.mark.parametrize(
    ("product", "wrong"),
    [
        ("Exponential(1) / Exponential(2)", True),
        ("Exponential(1) * exp(x)", True),
        ("Exponential(1) * exp(0.9 * x)", False),
        ("Gamma(1, 1) / Gamma(3, 1)", True),
        ("Gamma(3, 1) / Gamma(1, 0.5)", False),
        ("Beta(0.5, 0.5)^3", True),
        ("Beta(1, 0.5)^3", True),
        ("Beta(0.5, 0.5)^1.9", False),
        ("Gamma(0.01, 1)", False),
        ("Pareto(1, 1) / Pareto(1, 2)", True),
        ("LogNormal(0, 1)^2 / LogNormal(0, 1)", False),
        ("Weibull(1, 2) / Weibull(2, 2)", False),
        ("Weibull(2, 2) / Weibull(1, 2)", True),
        ("Chi2(1) / Chi2(3)", True),
        ("VonMises(0, 1) / VonMises(1, 2)", False),
        ("Logistic(0, 1) / Logistic(0, 2)", False),
        ("Logistic(0, 2) / Logistic(0, 1)", True),
        ("Gumbel(0, 1)", False),
        ("Gumbel(0, 1) * exp(2 * x)", True),
        ("mixture(InverseGamma(1, 1), HalfCauchy(1))", False),
    ],
)
def test_densities_with_ends(product: str, wrong: bool) -> None:
    assert ("P0809" in [d.code for d in compiled(f"x ~ {product}").diagnostics]) == wrong
