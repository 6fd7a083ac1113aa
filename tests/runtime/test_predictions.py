"""Data drawn again, and the log density of each datum: against closed forms."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import poedsl
from poedsl.runtime.build import observed_data
from poedsl.runtime.results import write_result
from poedsl.runtime.results.arviz_data import import_arviz
from tests.diagnostics import refused

NORMAL = "input N : Int\ninput y : Real[N]\nmu ~ Normal(0, 2)\ny ~ Normal(mu, 1)\n"
DATA = [1.0, 2.0, 3.0]
#: Of the conjugate normal: prior variance 4, three data of variance 1.
MEAN, VARIANCE = 6 / 3.25, 1 / 3.25


@pytest.fixture(scope="module")
def result() -> poedsl.Result:
    return poedsl.compile(NORMAL).run(y=DATA, seed=0, particles=4000)


@pytest.mark.statistical
def test_the_posterior_predictive_of_a_conjugate_normal(result: poedsl.Result) -> None:
    drawn = result.predict(seed=1)["y"]
    assert drawn.shape == (4000, 3)
    np.testing.assert_allclose(drawn.mean(0), MEAN, atol=0.08)
    np.testing.assert_allclose(torch.cov(drawn.T), VARIANCE + np.eye(3), atol=0.12)
    assert torch.equal(drawn, result.predict(seed=1)["y"])
    assert not torch.equal(drawn, result.predict(seed=2)["y"])
    assert result.predict(7)["y"].shape == (7, 3)


@pytest.mark.statistical
def test_the_prior_predictive_of_a_conjugate_normal() -> None:
    """It needs no data, only their size."""
    prior = poedsl.compile(NORMAL).prior().run(N=3, seed=0, particles=4000)
    drawn = prior.predict()["y"]
    np.testing.assert_allclose(drawn.mean(0), 0, atol=0.15)
    np.testing.assert_allclose(torch.cov(drawn.T), 4 + np.eye(3), atol=0.4)
    with refused("P0601", "P0601"):
        poedsl.compile(NORMAL).prior().bound()


def test_the_log_density_of_each_datum(result: poedsl.Result) -> None:
    logs = result.log_likelihood()["y"]
    mu = result.particles["mu"].double()
    expected = -0.5 * (torch.tensor(DATA) - mu[:, None]) ** 2 - 0.5 * math.log(2 * math.pi)
    torch.testing.assert_close(logs, expected)


PARTS = """
input y : Real[4]
a ~ Normal(0, 1)
y[0] ~ Normal(0, 1)
for i in range(3):
    y[i + 1] ~ Normal(a * y[i], 1)
"""
SERIES = [1.0, 0.5, -1.0, 2.0]


def test_parts_stand_where_they_are() -> None:
    run = poedsl.compile(PARTS).run(y=SERIES, seed=0, particles=2000)
    logs, a = run.log_likelihood()["y"], run.particles["a"].double()[:, None]
    y = torch.tensor(SERIES, dtype=torch.double)
    means = torch.cat([torch.zeros_like(a), a * y[:3]], 1)
    torch.testing.assert_close(logs, -0.5 * (y - means) ** 2 - 0.5 * math.log(2 * math.pi))
    drawn = run.predict()["y"]
    mean_a = float(run.summary()["a"].mean)
    np.testing.assert_allclose(drawn[:, 3].mean(), -mean_a, atol=0.12)
    rest = poedsl.compile(PARTS.replace("y[0] ~ Normal(0, 1)\n", ""))
    few: dict[str, Any] = {"seed": 0, "particles": 50, "steps": 5}
    run = rest.run(y=SERIES, **few)
    assert run.log_likelihood()["y"].shape == (50, 3)
    assert run.predict()["y"][:, 0].tolist() == [1.0] * 50


@pytest.mark.slow
@pytest.mark.statistical
def test_a_series_of_the_prior_is_drawn_in_order() -> None:
    """The variance of y[1] is 1 + E a^2 E y[0]^2 = 2."""
    drawn = poedsl.compile(PARTS).prior().run(seed=0, particles=4000).predict()["y"]
    assert float(drawn[:, 0].var()) == pytest.approx(1, abs=0.1)
    assert float(drawn[:, 1].var()) == pytest.approx(2, abs=0.25)


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize(
    ("density", "mean"),
    [
        ("Bernoulli(p)", 0.5),
        ("Binomial(4, p)", 2.0),
        ("Poisson(6 * p)", 3.0),
        ("Categorical([p, 1 - p])", 0.5),
        ("Exponential(1 + 0 * p)", 1.0),
        ("mixture(0.25: Normal(0 * p, 0.1), 0.75: Normal(4 * p, 0.1))", 1.5),
    ],
)
def test_densities_of_data(density: str, mean: float) -> None:
    """By the prior p ~ Uniform(0, 1), of mean one half."""
    kind = "Real" if density.startswith(("Exponential", "mixture")) else "Int"
    program = f"input y : {kind}[2]\np ~ Uniform(0, 1)\ny ~ {density}\n"
    prior = poedsl.compile(program).prior().run(seed=0, particles=3000)
    drawn = prior.predict()["y"]
    np.testing.assert_allclose(drawn.mean(0), mean, atol=0.15)


def test_events_that_are_vectors() -> None:
    program = "input y : Real[2]\nm : Real[2]\nm ~ Normal(0, 1)\n"
    program += "y ~ MultivariateNormal(m, [[1, 0.5], [0.5, 1]])"
    run = poedsl.compile(program).run(y=[1.0, 2.0], seed=0, particles=200, steps=20)
    assert run.log_likelihood()["y"].shape == (200,)
    assert run.predict()["y"].shape == (200, 2)


@pytest.mark.parametrize(
    ("statements", "data"),
    [
        ("y ~ Normal(mu, 1)^0.5", DATA),
        ("y ~ Normal(mu, 1) * Normal(0, 2)", DATA),
    ],
)
def test_what_is_no_density_of_the_data(statements: str, data: list[float]) -> None:
    program = f"input y : Real[3]\nmu ~ Normal(0, 2)\n{statements}\n"
    run = poedsl.compile(program).run(y=data, seed=0, particles=50, steps=5)
    with refused("P0715"):
        run.predict()
    assert run.log_likelihood()["y"].shape == (50, 3)


def test_a_program_without_data() -> None:
    run = poedsl.compile("x ~ Normal(0, 1)").run(seed=0, particles=20, steps=3)
    with refused("P0715"):
        run.predict()
    with refused("P0715"):
        run.log_likelihood()


def test_a_series_that_names_itself() -> None:
    program = "input y : Real[3]\na ~ Normal(0, 1)\ny[1:] ~ Normal(a * y[:-1], 1)\n"
    plan = poedsl.compile(program)
    assert plan.run(y=DATA, seed=0, particles=20, steps=3).predict()["y"].shape == (20, 3)
    prior = plan.prior().run(y=DATA, seed=0, particles=20)
    with refused("P0715"):
        prior.predict()


def test_plans_of_the_prior() -> None:
    plan = poedsl.compile(NORMAL).prior()
    again = poedsl.load(plan.to_json())
    assert again.spec == plan.spec and again.spec.prior
    few: dict[str, Any] = {"seed": 3, "particles": 50}
    assert torch.equal(
        again.run(N=2, **few).predict()["y"], plan.run(y=[0.0, 1.0], **few).predict()["y"]
    )


def test_many_particles_take_the_data_in_batches(
    result: poedsl.Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = result.log_likelihood()["y"]
    monkeypatch.setattr(observed_data, "MOST_AT_ONCE", 30)
    few = {"mu": result.particles["mu"][:50]}
    assert torch.equal(result.observed().log_likelihood(few)["y"], whole[:50])


def test_a_result_from_a_folder_predicts(result: poedsl.Result, tmp_path: Path) -> None:
    result.save(tmp_path / "out", pictures=False)
    again = poedsl.Result.load(tmp_path / "out")
    assert torch.equal(again.predict(20)["y"], result.predict(20)["y"])


@pytest.mark.slow
def test_what_is_left_out_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    az = import_arviz()
    run = poedsl.compile(NORMAL).run(y=DATA, seed=0, particles=40, steps=4)
    run.save(tmp_path / "all")
    assert "log_likelihood" in az.from_netcdf(tmp_path / "all" / "posterior.nc").groups()
    monkeypatch.setattr(write_result, "MOST_PAIRS", 100)
    assert any("posterior.nc" in note for note in run.save(tmp_path / "part"))
    assert "log_likelihood" not in az.from_netcdf(tmp_path / "part" / "posterior.nc").groups()


@pytest.mark.slow
@pytest.mark.statistical
def test_arviz(result: poedsl.Result) -> None:
    az = import_arviz()
    prior = poedsl.compile(NORMAL).prior().run(N=3, seed=0, particles=200)
    data = result.to_arviz(prior=prior)
    groups = {"posterior_predictive", "log_likelihood", "observed_data", "prior"}
    assert groups | {"prior_predictive"} <= set(data.groups())
    assert data.observed_data["y"].values.tolist() == DATA
    loo = az.loo(data)
    exact = 0.0
    for left in range(3):
        rest = [y for i, y in enumerate(DATA) if i != left]
        mean, variance = sum(rest) / 2.25, 1 / 2.25 + 1
        exact -= 0.5 * ((DATA[left] - mean) ** 2 / variance + math.log(2 * math.pi * variance))
    assert loo.elpd_loo == pytest.approx(exact, abs=0.05)
    wide = poedsl.compile(NORMAL.replace("mu, 1", "mu, 3")).run(y=DATA, seed=0)
    ranked = az.compare({"narrow": data, "wide": wide.to_arviz()})
    assert ranked.index[0] == "narrow"


@pytest.mark.statistical
def test_numbers_of_categories_by_their_own_totals() -> None:
    """Rows of 3, 0 and 40 trials with known probabilities, against the binomial moments."""
    rows, chances = [[1, 1, 1], [0, 0, 0], [10, 20, 10]], torch.tensor([0.2, 0.5, 0.3])
    program = f"""
        input totals : Int[3] = [3, 0, 40]
        input y : Int[3, 3] = {rows}
        a ~ Normal(0, 1)
        y ~ Multinomial(totals, {chances.tolist()})
    """
    drawn = poedsl.compile(program).run(seed=0, particles=4000).predict()["y"]
    totals = torch.tensor([3.0, 0.0, 40.0])
    assert torch.equal(drawn.sum(-1), totals.double().expand(4000, 3))
    mean, variance = totals[:, None] * chances, totals[:, None] * chances * (1 - chances)
    errors = (drawn.mean(0) - mean).abs() / (variance / 4000).sqrt().clamp(min=1e-9)
    assert float(errors.max()) < 4
    torch.testing.assert_close(drawn.var(0), variance.double(), rtol=0.1, atol=1e-9)
