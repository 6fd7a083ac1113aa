"""Gaussian data about linear functions of variables, against the sum over all data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

import poedsl
from poedsl.compiler.analysis.linear import is_linear
from poedsl.runtime.build.bound_plan import BoundPlan
from poedsl.runtime.build.likelihoods import Likelihood, likelihood
from poedsl.runtime.build.models import Models
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.terms.evaluate import Environment

ROWS, COLUMNS, GROUPS = 120, 3, 4
DRAWS = np.random.default_rng(3)
DATA: dict[str, Any] = {
    "X": DRAWS.normal(size=(ROWS, COLUMNS)),
    "z": 1e3 + DRAWS.normal(size=ROWS),
    "w": np.exp(DRAWS.normal(size=ROWS)),
    "g": DRAWS.integers(0, GROUPS, size=ROWS),
    "y": 1e3 + 5 * DRAWS.normal(size=ROWS),
    "Y": DRAWS.normal(size=(ROWS, 2)),
}
HEAD = """
input X : Real[_, 3]
input z : Real[_]
input w : Real[_]
input g : Int[_]
input y : Real[_]
input Y : Real[_, 2]
a ~ Normal(0, 5)
b : Real[3]
b ~ Normal(0, 2)
c : Real[4]
c ~ Normal(0, a^2 + 1)
m : Real[2]
m ~ Normal(0, 1)
s ~ HalfNormal(5)
"""
LINEAR = {
    "a number": "y ~ Normal(a, s)",
    "columns": "y ~ Normal(a + X @ b, s)",
    "written out": "y ~ Normal(z - 2 * a * z + X[:, 0] * b[0] / 3 - (b[1] - a) * w, s)",
    "groups": "y ~ Normal(a + c[g] + z * c[1], s)",
    "a scale of variables": "y ~ Normal(X @ b + sum(c), exp(a) * s + b[0]^2)",
    "known scales": "y ~ Normal(X @ b + mean(c), w)",
    "rows and columns": "Y ~ Normal(m + a, s)",
    "a part": "y[20:] ~ Normal(a * z[20:] + 1, s)",
    "a name": "let eta = a + X @ b\ny ~ Normal(eta + z, s)",
    "a list": "let v = [a, b[0], c[3]]\ny ~ Normal(X @ v, s)",
}
OTHERS = {
    "a product of variables": "y ~ Normal(a * b[0] + z, s)",
    "a function": "y ~ Normal(exp(a) + X @ b, s)",
    "a quotient": "y ~ Normal(z / (a + 10), s)",
    "scales of rows": "y ~ Normal(a + X @ b, s * w)",
    "another density": "y ~ StudentT(5, a + X @ b, s)",
    "few data": "y[:16] ~ Normal(a + X[:16] @ b, s)",
    "a variable as index": "y ~ Normal(where(a > 0, a, b[0]) + z, s)",
}


def built(statement: str) -> tuple[Likelihood, Environment]:
    """The likelihood, and an environment with values of five particles."""
    plan = poedsl.compile(HEAD + statement).bind(**DATA).bound().spec
    settings = RunSettings(dtype="float64")
    bound = BoundPlan.of(plan, settings, Models.of(plan, settings))
    builder = bound.builder(bound.numbers())
    (factor,) = (f for f in bound.factors if f.kind == "likelihood")
    generator = torch.Generator("cpu").manual_seed(1)
    values = {
        name: torch.randn(5, *size, generator=generator, dtype=torch.float64)
        for name, size in bound.sizes.items()
    }
    values["s"] = values["s"].abs() + 0.1
    origin = builder.origin()
    made = likelihood(factor, builder.densities(factor), origin).shortened(origin)
    return made, builder.environment.with_values(values)


@pytest.mark.parametrize("name", LINEAR)
def test_the_reduced_likelihood_is_the_likelihood(name: str) -> None:
    made, env = built(LINEAR[name])
    assert made.reduced is not None
    assert made.rows < made.data.numel() / 4
    whole = replace(made, reduced=None).log_value(env)
    assert torch.allclose(made.log_value(env), whole, rtol=1e-12, atol=1e-9)
    assert whole.shape == (5,)


def test_gradients_are_those_of_the_likelihood() -> None:
    made, env = built(LINEAR["a scale of variables"])
    values = {n: v.requires_grad_() for n, v in env.values.items() if n in ("a", "b", "c", "s")}
    at = env.with_values(values)
    gradients = [
        torch.autograd.grad(each.log_value(at).sum(), list(values.values()))
        for each in (made, replace(made, reduced=None))
    ]
    for reduced, whole in zip(*gradients, strict=True):
        assert torch.allclose(reduced, whole, rtol=1e-10, atol=1e-8)


@pytest.mark.parametrize("name", OTHERS)
def test_others_are_left_as_they_are(name: str) -> None:
    assert built(OTHERS[name])[0].reduced is None


def test_a_scale_out_of_its_range_has_no_meaning() -> None:
    made, env = built("y ~ Normal(a + X @ b, a)")
    assert made.reduced is not None
    a = torch.tensor([-1.0, 0.0, 1.0, 2.0, torch.nan], dtype=torch.float64)
    at = env.with_values({"a": a})
    whole = replace(made, reduced=None).log_value(at)
    reduced = made.log_value(at)
    assert torch.equal(reduced.isfinite(), whole.isfinite())
    assert reduced.isfinite().tolist() == [False, False, True, True, False]


def test_shared_terms_are_looked_at_once() -> None:
    lines = ["let e0 = a + X @ b"] + [f"let e{i} = e{i - 1} + e{i - 1}" for i in range(1, 13)]
    plan = poedsl.compile(HEAD + "\n".join(lines) + "\ny ~ Normal(e12, s)").spec
    mean = dict(plan.factors[-1].term.kwargs)["loc"]  # type: ignore[union-attr]
    assert is_linear(mean, {"a", "b"})
    assert not is_linear(mean, {"a", "b", "X"})


def test_differences_are_linear_and_quantiles_are_not() -> None:
    for name, linear in (("diff(b)", True), ("median(b)", False), ("cumprod(b)", False)):
        plan = poedsl.compile(f"{HEAD}let f = {name}\ny ~ Normal(a + sum(f), s)").spec
        mean = dict(plan.factors[-1].term.kwargs)["loc"]  # type: ignore[union-attr]
        assert is_linear(mean, {"a", "b"}) == linear


@pytest.mark.slow
@pytest.mark.statistical
def test_the_posterior_and_the_evidence_of_a_regression() -> None:
    """The evidence is integrated over the scale, given which the others are Gaussian."""
    n, k = 2000, 4
    draws = np.random.default_rng(5)
    x = draws.normal(size=(n, k))
    y = x @ np.arange(1.0, k + 1) + 1.5 * draws.normal(size=n)
    plan = poedsl.compile(
        "input X : Real[_, 4]\ninput y : Real[_]\nb : Real[4]\nb ~ Normal(0, 3)\n"
        "s ~ HalfNormal(2)\ny ~ Normal(X @ b, s)"
    )
    result = plan.run(X=x, y=y, seed=1)
    scales = np.linspace(1.2, 1.8, 2001)
    gram, moment = x.T @ x, x.T @ y
    logs, means = [], []
    for s in scales:
        precision = gram / s**2 + np.eye(k) / 9
        mean = np.linalg.solve(precision, moment / s**2)
        log_likelihood = -n / 2 * np.log(2 * np.pi * s**2) - y @ y / (2 * s**2)
        log_det = np.linalg.slogdet(precision)[1] + k * np.log(9)
        prior = np.log(2) - 0.5 * np.log(2 * np.pi * 4) - s**2 / 8
        logs.append(log_likelihood + 0.5 * mean @ precision @ mean - 0.5 * log_det + prior)
        means.append(mean)
    weights = np.exp(np.array(logs) - max(logs))
    log_z = max(logs) + np.log(weights.sum() * (scales[1] - scales[0]))
    mean = (weights / weights.sum()) @ np.array(means)
    assert result.log_evidence == pytest.approx(log_z, abs=0.1)
    for i in range(k):
        row = result.summary()[f"b[{i}]"]
        assert row.mean == pytest.approx(mean[i], abs=0.15 * row.sd)
