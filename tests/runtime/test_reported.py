"""Reported values: computed of every particle, summarised, drawn and saved."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import poedsl
from tests.cli.test_inputs import poe
from tests.diagnostics import refused

PROGRAM = """
input s : Real = 2
mu ~ Normal(0.5, s)
y : Real[2]
y ~ Normal(mu, 1)
report square = mu^2, y[0] - y[1], mu > 0, log(mu - 100), s, mu / s
"""


@pytest.fixture(scope="module")
def result() -> poedsl.Result:
    return poedsl.compile(PROGRAM).run(seed=0, particles=2000)


def test_values_are_those_of_the_particles(result: poedsl.Result) -> None:
    mu, y = result.particles["mu"], result.particles["y"]
    torch.testing.assert_close(result.reports["square"], mu**2)
    torch.testing.assert_close(result.reports["y[0] - y[1]"], y[:, 0] - y[:, 1])
    assert result.reports["s"].tolist() == [2.0] * 2000


@pytest.mark.statistical
def test_summaries_agree_with_closed_forms(result: poedsl.Result) -> None:
    summary = result.summary()
    assert summary["square"].mean == pytest.approx(4.25, abs=0.5)
    assert summary["y[0] - y[1]"].sd == pytest.approx(math.sqrt(2), rel=0.1)
    chance = 0.5 * (1 + math.erf(0.25 / math.sqrt(2)))
    assert summary["mu > 0"].mean == pytest.approx(chance, abs=0.05)
    assert summary["s"].sd == 0


def test_values_that_are_not_finite_are_left_out(result: poedsl.Result) -> None:
    assert "P1040" in {w.code for w in result.warnings}
    assert "log(mu - 100)" not in result.summary()
    part = poedsl.compile("x ~ Normal(0, 1)\nreport log(x)").run(seed=0, particles=500)
    assert math.isfinite(part.summary()["log(x)"].mean)
    assert "P1040" in {w.code for w in part.warnings}


def test_draws_and_arviz(result: poedsl.Result) -> None:
    drawn = result.sample(50)
    torch.testing.assert_close(drawn["square"], drawn["mu"] ** 2)
    posterior = result.to_arviz().posterior
    np.testing.assert_allclose(posterior["square"], posterior["mu"] ** 2)
    assert "mu ÷ s" in posterior


@pytest.mark.slow
def test_files(tmp_path: Path) -> None:
    (tmp_path / "p.poe").write_text("x ~ Normal(0, 1)\nreport x * 2, x / 2\n")
    out = tmp_path / "out"
    options = ("--sample", "particles=64", "--sample", "steps=4", "--out", str(out))
    assert poe("run", str(tmp_path / "p.poe"), *options)[0] == 0
    tensors = load_file(out / "particles.safetensors")
    torch.testing.assert_close(tensors["x * 2"], 2 * tensors["x"])
    data = json.loads((out / "result.json").read_text())
    assert [r["name"] for r in data["reports"]] == ["x * 2", "x / 2"]
    assert {c["name"] for c in data["components"]} == {"x", "x * 2", "x / 2"}


def test_errors_come_before_the_run() -> None:
    program = "input a : Real[_]\ninput b : Real[_]\nx ~ Normal(0, 1)\nreport r = x * (a + b)"
    plan = poedsl.compile(program).bind(a=[1.0, 2.0], b=[1.0, 2.0, 3.0])
    with refused("P0603"):
        next(iter(plan.stream()))


def test_log_densities() -> None:
    """Of data, as they would be for a comparison of models; also from a plan in JSON."""
    program = "input y : Real[2] = [1, 2]\nm ~ Normal(0, 2)\ny ~ Normal(m, 1)"
    plan = poedsl.compile(f"{program}\nreport each = log_prob(Normal(m, 1), y)")
    result = poedsl.load(plan.to_json()).run(seed=0, particles=50)
    gaps = torch.tensor([1.0, 2.0]) - result.particles["m"][:, None]
    expected = -0.5 * gaps.square() - 0.5 * math.log(2 * math.pi)
    torch.testing.assert_close(result.reports["each"], expected.to(result.reports["each"]))
    with refused("P0403"):
        poedsl.compile(f"{program}\nreport Normal(m, 1)")
