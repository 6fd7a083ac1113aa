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
    text = "x ~ Normal(0, 1)^3 / Normal(0, 0.9) / Normal(0, 0.5)\n"
    (found,) = compiled(text).diagnostics
    assert found.code == "P0404"
    spans = [found.span, *(label.span for label in found.labels)]
    assert [text[s.start : s.end] for s in spans] == ["Normal(0, 0.9)", "Normal(0, 0.5)"]


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


#: Of scale s, rate 1 / s, centre m and logarithm l of the scale.
PROPER = [
    "Normal({m}, {s})",
    "Cauchy({m}, {s})",
    "StudentT(0.1, {m}, {s})",
    "Laplace({m}, {s})",
    "Logistic({m}, {s})",
    "Gumbel({m}, {s})",
    "Exponential({r})",
    "HalfNormal({s})",
    "HalfCauchy({s})",
    "Gamma(0.5, {r})",
    "Gamma(30, {r})",
    "InverseGamma(2, {s})",
    "LogNormal({l}, 0.5)",
    "Weibull({s}, 0.7)",
    "Pareto({s}, 0.01)",
    "Chi2(3) * exp(-x * {r})",
    "Normal({m}, {s}) * Cauchy(0, 1)",
    "Exponential({r}) * exp(0.9 * {r} * x)",
    "Normal({m}, {s}) * exp(-x^4)",
    "Cauchy({m}, {s})^0.6",
    "Normal(0, {s})^2 * exp(0.9 * (x / {s})^2)",
    "HalfCauchy({s}) * exp(-x / {s})",
]
IMPROPER = [
    "Cauchy({m}, {s})^0.5",
    "Cauchy({m}, {s}) / Cauchy(0, 1)",
    "Normal({m}, {s}) * exp(x^300)",
    "Normal({m}, {s}) * exp(x^4)",
    "Normal(0, {s}) * exp(0.6 * (x / {s})^2)",
    "Laplace({m}, {s}) / Laplace(0, {s})",
    "Exponential({r}) * exp({r} * x)",
    "Exponential({r}) / Gamma(2.5, {r})",
    "Gamma(0.5, {r})^2",
    "HalfCauchy({s}) * exp(log(x))",
    "HalfCauchy({s}) / HalfNormal({s})",
    "Pareto({s}, 2) / Pareto({s}, 3)",
    "StudentT(3, {m}, {s})^0.2",
    "InverseGamma(1, {s}) * exp(2 * log(x))",
    "Weibull({s}, 0.7) / Weibull({s}, 1.5)",
    "Logistic({m}, {s}) * exp(abs(x - {m}) / {s})",
]


@pytest.mark.parametrize("power", range(-10, 11, 2))
@pytest.mark.parametrize(
    ("product", "wrong"), [*((p, False) for p in PROPER), *((p, True) for p in IMPROPER)]
)
def test_tails_at_any_scale(product: str, wrong: bool, power: int) -> None:
    scale = 10.0**power
    for centre in (0.0, -3 * scale, 1e6):
        text = product.format(m=centre, s=scale, r=1 / scale, l=np.log(scale))
        codes = [d.code for d in compiled(f"x ~ {text}").diagnostics]
        assert ("P0809" in codes) == wrong, text


#: Over a scale, what it scales integrated out.
SCALES = [
    ("tau ~ HalfNormal(1)\nx ~ Normal(0, tau)^2", True),
    ("tau ~ HalfNormal(1)\nx ~ Normal(0, tau)^1.9", False),
    ("tau ~ HalfNormal(1)\nx : Real[4]\nx ~ Normal(0, tau)^1.25", True),
    ("tau ~ HalfNormal(1)\nx : Real[4]\nx ~ Normal(0, tau)^1.2", False),
    ("tau ~ Gamma(2,1)\nx ~ Normal(0, tau)^2", False),
    ("tau ~ Gamma(2,1)\nx ~ Laplace(0, tau)^3", True),
    ("tau ~ LogNormal(0,1)\nx ~ Normal(0, tau)^5", False),
    ("tau ~ HalfCauchy(1)\nx : Real[2]\nx ~ Normal(0, tau)^0.5", True),
    ("tau ~ HalfCauchy(1)\nx ~ Normal(0, tau)^0.5", False),
    ("tau ~ HalfCauchy(1)\nx : Real[2]\nx ~ Normal(0, tau)^0.5 * Normal(1,2)", False),
    ("tau ~ HalfNormal(1)\nm ~ Normal(0,1)\nx ~ Normal(m, tau) * Normal(m, tau)", True),
    ("tau ~ HalfNormal(1)\nx ~ Normal(0, tau) * Normal(1, tau)", False),
    ("tau ~ HalfNormal(1)\nx ~ Normal(0, tau)^2 * Normal(3,1)", True),
    ("tau ~ HalfNormal(1)\nx ~ Normal(0, tau)^2 * Uniform(1,2)", False),
    ("input y : Real[3]\ntau ~ HalfNormal(1)\ny ~ Normal(0, tau)", False),
    (
        "input y : Real[8]\nmu ~ Normal(0,5)\ntau ~ HalfCauchy(5)\nx : Real[8]\n"
        "x ~ Normal(mu, tau)\ny ~ Normal(x, 1)",
        False,
    ),
    ("tau ~ HalfNormal(1)\nx ~ Normal(0, tau)^2 * where(x > 1)", False),
    ("tau ~ Uniform(0,1)\nx ~ StudentT(3, 0, tau)^2 * exp(-x^2)", True),
    ("tau ~ Uniform(1,2)\nx ~ Normal(0, tau)^2", False),
    ("tau ~ Uniform(0,1)\nx ~ Normal(0, tau) * exp(-tau * x^2)", False),
    ("tau ~ HalfNormal(1)\nx ~ Normal(0, tau)^2\nx ~ Normal(tau, 1)", False),
    (
        "input y : Real[4]\na ~ Normal(0, 1)\ntau ~ HalfCauchy(1)\nx : Real[4]\n"
        "x ~ Normal(0, tau)^0.5\ny ~ Normal(a + x, 1)",
        False,
    ),
    (
        "a ~ Normal(0, 1)\ntau ~ HalfNormal(1)\nx ~ Normal(0, tau)^2\na ~ where(x > 1 + a^2)",
        False,
    ),
    (
        "a ~ HalfNormal(1)\nb ~ HalfNormal(1)\nx ~ Normal(0, a)^2\n"
        "y ~ Normal(0, b)^0.5 * Normal(x, 1)",
        True,
    ),
]


@pytest.mark.parametrize(("text", "wrong"), SCALES)
def test_scales_of_what_is_integrated_out(text: str, wrong: bool) -> None:
    assert ("P0809" in [d.code for d in compiled(text).diagnostics]) == wrong
