"""Plans as models of Pyro's: traces hold the product, handlers find factors by name."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pyro
import pytest
import torch
from pyro import poutine
from pyro.infer import MCMC, NUTS, Importance

import poedsl
from poedsl.runtime.pyro_model import PyroModel
from tests.diagnostics import refused

ROOT = Path(__file__).parents[2]
GAUSSIANS = poedsl.compile(ROOT / "programs" / "gaussians.poe")
#: The precision of the product in `gaussians.poe`, the same along both axes.
VARIANCE = 1 / (1 / 10 + 1 - 1 / 1.1)


@pytest.fixture(autouse=True)
def seed() -> None:
    pyro.set_rng_seed(0)


def traced(model: Any) -> Any:
    trace = poutine.trace(model).get_trace()
    trace.compute_log_prob()
    return trace


def log_weights(model: PyroModel, count: int) -> torch.Tensor:
    """Log of the product over the base, for draws under a plate."""

    def many() -> None:
        with pyro.plate("draws", count):
            model()

    trace = traced(many)
    return torch.stack([trace.nodes[n]["log_prob"] for n in trace.observation_nodes]).sum(0)


def log_evidence(model: PyroModel, count: int) -> float:
    return float(log_weights(model, count).logsumexp(0)) - math.log(count)


def test_the_log_density_of_a_trace_is_that_of_the_product() -> None:
    trace = traced(GAUSSIANS.to_pyro())
    assert list(trace.stochastic_nodes) == ["x"]
    names = [f.name for f in GAUSSIANS.spec.factors]
    assert list(trace.observation_nodes) == ["x.base", *names]
    product = GAUSSIANS.run(particles=8, steps=2).log_product
    assert product is not None
    expected = product(trace.nodes["x"]["value"][None])[0]
    torch.testing.assert_close(trace.log_prob_sum(), expected)


def test_a_factor_with_the_name_of_a_variable() -> None:
    trace = traced(poedsl.compile("Normal : Real\nNormal ~ Normal(0, 1)").to_pyro())
    assert list(trace.stochastic_nodes) == ["Normal"]
    assert list(trace.observation_nodes) == ["Normal.base", "Normal.factor"]


@pytest.mark.slow
@pytest.mark.statistical
def test_nuts_finds_the_moments_of_the_runtime() -> None:
    chain = MCMC(NUTS(GAUSSIANS.to_pyro()), 120, 50, disable_progbar=True)
    chain.run()
    x = chain.get_samples()["x"]
    run = GAUSSIANS.run(seed=0)
    weights, points = run.log_weights.exp(), run.particles["x"].double()
    variance = weights @ (points - weights @ points).square()
    assert torch.allclose(variance, torch.full((2,), VARIANCE).double(), rtol=0.15)
    assert torch.allclose(x.var(0), variance.float(), rtol=0.5)
    assert float((x.mean(0) - (weights @ points).float()).abs().max()) < 0.35 * VARIANCE**0.5


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize(
    ("program", "exact"),
    [
        ("x : Real[2]\nx ~ Normal(0, 1) * Normal(1, 1)", -math.log(4 * math.pi) - 0.5),
        ("x ~ Normal(0, 1) * where(x > 1)", math.log(0.158655)),
        ("x ~ Normal(0, 1) * exp(0.5 * x)", 0.125),
        ("x ~ Gamma(3, 2) * Exponential(1)", math.log(8 / 27)),
        ("x : Real[3]\nx ~ Dirichlet([2, 1, 1])", 0.0),
        ("x ~ Beta(2, 2) * exp(x)\nsample x by anneal(path = temper(base = Uniform(0, 1)))", None),
    ],
)
def test_importance_sampling_has_the_evidence_of_the_runtime(
    program: str, exact: float | None
) -> None:
    plan = poedsl.compile(program)
    if exact is None:
        exact = math.log(6 * (3 - math.e))
    model = plan.to_pyro()
    found = log_evidence(model, 20_000)
    assert found == pytest.approx(exact, abs=0.03)
    run = plan.run(particles=1000)
    assert run.log_evidence == pytest.approx(exact, abs=0.1)


@pytest.mark.slow
@pytest.mark.statistical
def test_importance_of_pyro() -> None:
    posterior = Importance(GAUSSIANS.to_pyro(), num_samples=200).run()
    logs = torch.tensor(posterior.log_weights)
    evidence = GAUSSIANS.run(seed=0).log_evidence
    assert float(logs.logsumexp(0)) - math.log(200) == pytest.approx(evidence, abs=0.25)


@pytest.mark.slow
def test_several_variables_and_conditional_densities() -> None:
    plan = poedsl.compile("a ~ Gamma(4, 4)\nx : Real[2]\nx ~ Normal(a, 1) * where(x[0] > 0)")
    trace = traced(plan.to_pyro())
    a, x = trace.nodes["a"]["value"], trace.nodes["x"]["value"]
    exact = torch.distributions.Gamma(4.0, 4.0).log_prob(a)
    exact = exact + torch.distributions.Normal(a, 1.0).log_prob(x).sum()
    where = trace.nodes["where"]["log_prob_sum"]
    assert float(where) == (0 if float(x[0]) > 0 else -math.inf)
    torch.testing.assert_close(trace.log_prob_sum(), exact + where)


@pytest.mark.slow
def test_condition_block_and_scale() -> None:
    model = GAUSSIANS.to_pyro()
    data = torch.tensor([1.0, 2.0])
    given = poutine.condition(model, data={"x": data})
    trace = traced(given)
    assert not trace.stochastic_nodes
    product = GAUSSIANS.run(particles=8, steps=2).log_product
    assert product is not None
    torch.testing.assert_close(trace.log_prob_sum(), product(data[None])[0])
    hidden = traced(poutine.block(given, hide=["Normal_3"]))
    own = torch.distributions.Normal(0.0, 1.1**0.5).log_prob(data).sum()
    torch.testing.assert_close(hidden.log_prob_sum(), trace.log_prob_sum() + own)
    half = traced(poutine.scale(given, scale=0.5))
    torch.testing.assert_close(half.log_prob_sum(), 0.5 * trace.log_prob_sum())
    outside = poutine.condition(poedsl.compile("x ~ Gamma(2, 1)").to_pyro(), data={"x": -data[0]})
    assert float(traced(outside).log_prob_sum()) == -math.inf


@pytest.mark.slow
@pytest.mark.statistical
def test_nuts_moves_in_unconstrained_coordinates() -> None:
    chain = MCMC(NUTS(poedsl.compile("x ~ Gamma(4, 2)").to_pyro()), 60, 30, disable_progbar=True)
    chain.run()
    x = chain.get_samples()["x"]
    assert bool((x > 0).all())
    assert float(x.mean()) == pytest.approx(2.0, abs=0.5)


def test_rows_of_a_condition_are_rows_of_the_factors() -> None:
    data = torch.randn(5, 2)
    trace = traced(poutine.condition(GAUSSIANS.to_pyro(), data={"x": data}))
    assert trace.nodes["Normal"]["log_prob"].shape == (5,)


@pytest.mark.parametrize(
    ("program", "name"),
    [
        ("x ~ digits(3)", "digits"),
        ("y : Tokens[4]\ny ~ Categorical([0.5, 0.5])", "Categorical"),
        ("x : Image[1, 8, 8]\ninput m : Mask\nx ~ digits(3)^m", "digits"),
        ("x : Real[2]\nx ~ Normal(0, 1)\nx[0] ~ Normal(1, 1) given x", "Normal_2"),
    ],
)
def test_what_has_no_density_is_refused_with_its_place(program: str, name: str) -> None:
    plan = poedsl.compile(program)
    if plan.spec.inputs:
        plan = plan.bind(m=torch.rand(8, 8))
    with refused("P0503") as errors:
        plan.to_pyro()
    factor = next(f for f in plan.spec.factors if f.name == name)
    assert f"`{name}` at {factor.place}" in errors[0].notes[0]


@pytest.mark.parametrize(
    ("base", "proposal", "support"),
    [
        ("Normal(0, 3)", torch.distributions.Normal(0.0, 3.0), "Normal(1, 1)"),
        ("Uniform(0, 1)", torch.distributions.Uniform(0.0, 1.0), "Beta(2, 2)"),
    ],
)
def test_a_base_that_the_program_names_proposes_each_variable(
    base: str, proposal: torch.distributions.Distribution, support: str
) -> None:
    plan = poedsl.compile(f"a : Real[2]\na ~ {support}\nb ~ {support}")
    trace = traced(plan.with_options(path=f"temper(base = {base})").to_pyro())
    for name in ("a", "b"):
        expected = proposal.log_prob(trace.nodes[name]["value"]).sum()
        torch.testing.assert_close(trace.nodes[f"{name}.base"]["log_prob_sum"], -expected)
