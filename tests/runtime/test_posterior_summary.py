"""Mean, sd, quantiles, bulk ESS and R-hat of components, against ArviZ and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import scipy
import torch

import poedsl
from poedsl.runtime.results.arviz_data import import_arviz
from poedsl.runtime.results.posterior_summary import summarise

SLOTS = torch.arange(4000)


def normal(count: int = 4000, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_of_even_weights_as_arviz_has_it() -> None:
    x = normal().view(4, 1000)
    x[3] += 0.5
    row = summarise({"x": x.flatten()}, torch.zeros(4000).double(), SLOTS, 4)["x"]
    assert row.mean == pytest.approx(float(x.mean()))
    assert row.sd == pytest.approx(float(x.std(correction=0)))
    assert row.q50 == pytest.approx(float(x.flatten().quantile(0.5)), abs=2e-3)
    arviz = import_arviz()
    # ArviZ splits the chains in halves.
    expected = max(arviz.rhat(x.numpy(), method=m) for m in ("z_scale", "folded"))
    assert row.r_hat == pytest.approx(expected, abs=5e-3) and row.r_hat > 1.02
    assert row.bulk_ess == pytest.approx(4000)


def test_islands_of_different_scales_disagree() -> None:
    x = normal().view(4, 1000)
    x[3] *= 3
    row = summarise({"x": x.flatten()}, torch.zeros(4000).double(), SLOTS, 4)["x"]
    assert row.r_hat is not None and row.r_hat > 1.1


def test_weights_turn_one_normal_into_another() -> None:
    x = normal()
    row = summarise({"x": x}, x / 2, SLOTS, 1)["x"]
    assert row.mean == pytest.approx(0.5, abs=0.05) and row.sd == pytest.approx(1, abs=0.05)
    quantiles = scipy.stats.norm.ppf((0.05, 0.5, 0.95), loc=0.5)
    assert (row.q5, row.q50, row.q95) == pytest.approx(tuple(quantiles), abs=0.12)
    # The variance of the mean under normalised weights w is E[w^2 (x - 1/2)^2] over 4,000.
    assert row.bulk_ess == pytest.approx(4000 / (1.25 * np.exp(0.25)), rel=0.1)
    assert row.r_hat is None


def test_copies_count_once() -> None:
    x = normal(500).repeat_interleave(8)
    row = summarise({"x": x}, torch.zeros(4000).double(), SLOTS // 8, 1)["x"]
    assert row.bulk_ess == pytest.approx(500, rel=0.01)


def test_names_constants_and_large_variables() -> None:
    values = {
        "a": normal(8000).view(4000, 2),
        "b": normal(16000).view(4000, 2, 2),
        "c": torch.ones(4000),
        "d": normal(400_000).view(4000, 100),
    }
    summary = summarise(values, torch.zeros(4000).double(), SLOTS, 1)
    names = ["a[0]", "a[1]", "b[0, 0]", "b[0, 1]", "b[1, 0]", "b[1, 1]", "c", "d"]
    assert list(summary) == names
    assert summary["c"].bulk_ess is None and summary["c"].sd == 0
    assert summary["d"].components == 100 and summary["d"].sd == pytest.approx(1, abs=0.01)
    assert summary.least_ess is not None and summary.least_ess[0] != "d"
    lines = summary.lines()
    assert (
        len(lines) == 9 and "R-hat" not in lines[0] and lines[-1].startswith("d (100 components)")
    )


def test_without_weight_there_is_no_summary() -> None:
    assert not summarise({"x": normal()}, torch.full((4000,), -torch.inf).double(), SLOTS, 1)


@pytest.mark.slow
def test_the_bulk_ess_of_a_run_predict_its_error() -> None:
    """The mean of N(0, 1) exp(-2 (x - 2)^2), N(1.6, 1/5), over 40 small runs."""
    plan = poedsl.compile("x ~ Normal(0, 1) * exp(-2 * (x - 2)^2)")
    runs = [plan.run(seed=s, particles=200).summary()["x"] for s in range(40)]
    error = np.mean([(r.mean - 1.6) ** 2 for r in runs])
    expected = np.mean([r.sd**2 / r.bulk_ess for r in runs if r.bulk_ess])
    assert 0.45 < error / expected < 1.9


@pytest.mark.statistical
def test_categories_and_islands() -> None:
    result = poedsl.compile("z : Category[2]\nz ~ Categorical([0.3, 0.7])").run(seed=0)
    assert result.summary()["z == 1"].mean == pytest.approx(0.7, abs=0.05)
    assert "z == 1" in repr(result)
    islands = poedsl.compile("x ~ Normal(0, 1) * exp(-x^2)").run(seed=0, islands=4)
    row = islands.summary()["x"]
    assert row.r_hat is not None and row.r_hat < 1.05
    assert islands.to_arviz()["posterior"]["x"].shape == (4, 250)
