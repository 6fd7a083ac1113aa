"""Tempering samples what the path from noise cannot: against closed forms."""

from __future__ import annotations

import math

import pytest
import torch

import poedsl
from poedsl.runtime.result import Result


def moments(result: Result, name: str = "x") -> tuple[float, float]:
    weights, x = result.log_weights.exp(), result.particles[name]
    mean = float((weights * x).sum())
    return mean, float((weights * (x - mean).square()).sum())


@pytest.mark.parametrize(
    "text, mean, variance, log_z",
    [
        ("x ~ Normal(0, 1) / Normal(0, 2)", 0, 4 / 3, math.log(32 * math.pi / 3) / 2),
        ("x ~ StudentT(9, 1, 2)", 1, 36 / 7, 0),
        ("x ~ Laplace(0, 1) * Laplace(1, 1)", 0.5, None, math.log(0.5) - 1),
        ("x ~ mixture(Normal(-3, 0.5), Normal(3, 0.5))", 0, 9.25, 0),
    ],
)  # fmt: skip
def test_one_variable(text: str, mean: float, variance: float | None, log_z: float) -> None:
    result = poedsl.compile(text).run(seed=0, particles=20_000, path="temper()")
    found = moments(result)
    assert found[0] == pytest.approx(mean, abs=0.15)
    assert variance is None or found[1] == pytest.approx(variance, rel=0.06)
    assert result.log_evidence == pytest.approx(log_z, abs=0.04)


def test_a_hierarchy_and_its_posterior() -> None:
    prior = "x ~ Normal(0, 1)\ny : Real\ny ~ Normal(x, 0.5)"
    result = poedsl.compile(prior).run(seed=0, particles=4000)
    assert moments(result, "y")[1] == pytest.approx(1.25, rel=0.06)
    assert result.log_evidence == pytest.approx(0, abs=0.04)
    seen = poedsl.compile(f"{prior} * exp(-2 * (y - 2)^2)").run(seed=0, particles=4000)
    assert moments(seen, "x")[0] == pytest.approx(2 / 1.5, abs=0.05)
    assert moments(seen, "x")[1] == pytest.approx(1 / 3, rel=0.1)


def test_conditions_are_hard_at_the_end() -> None:
    text = "x : Real[2]\nx ~ StudentT(3) * where(norm(x - [1, 0]) < 1)"
    result = poedsl.compile(text).run(seed=0, particles=2000)
    draws = result.sample(2000)["x"]
    assert bool(((draws - torch.tensor([1.0, 0.0])).norm(dim=-1) < 1).all())


def test_the_evidence_is_unbiased() -> None:
    plan = poedsl.compile("x ~ StudentT(4, 2, 0.5) * Normal(0, 1)")
    grid = torch.linspace(-8, 10, 20_001, dtype=torch.float64)
    student = torch.distributions.StudentT(4.0, 2.0, 0.5).log_prob(grid)
    normal = torch.distributions.Normal(0.0, 1.0).log_prob(grid)
    truth = float(torch.logsumexp(student + normal, 0)) + math.log(18 / 20_000)
    runs = [plan.run(seed=s, particles=8, steps=6, path="temper()") for s in range(300)]
    ratios = torch.tensor([r.log_evidence - truth for r in runs]).exp()
    error = float(ratios.std()) / len(runs) ** 0.5
    assert abs(float(ratios.mean()) - 1) < 3 * error


def test_a_chain_given_what_was_seen() -> None:
    text = """
input seen : Real[4] = [1, 2, 2, 3]
x : Real[4]
x[0] ~ Normal(0, 1)
for i in range(3):
    x[i + 1] ~ Normal(x[i], 0.5)
x ~ exp(-0.5 * sum((x - seen)^2))
"""
    result = poedsl.compile(text).run(seed=0, particles=4000)
    precision = torch.tensor(
        [[5.0, -4, 0, 0], [-4, 8, -4, 0], [0, -4, 8, -4], [0, 0, -4, 4]], dtype=torch.float64
    )
    seen = torch.tensor([1.0, 2, 2, 3], dtype=torch.float64)
    after = precision + torch.eye(4)
    mean = torch.linalg.solve(after, seen)
    log_z = 0.5 * (precision.logdet() - after.logdet() - seen @ seen + seen @ mean)
    found = (result.log_weights.exp()[:, None] * result.particles["x"]).sum(0)
    torch.testing.assert_close(found, mean, atol=0.1, rtol=0)
    assert result.log_evidence == pytest.approx(float(log_z), abs=0.2)


def test_stages_are_placed_by_the_particles() -> None:
    plan = poedsl.compile("x ~ StudentT(9, 1, 2) * Normal(0, 3) * where(x > 0)")
    fixed = plan.run(seed=0, particles=20_000, path="temper()")
    placed = plan.run(seed=0, particles=20_000, path="temper(ess = 0.9)")
    assert len(placed.stages) < len(fixed.stages) / 2
    assert [s.t for s in placed.stages][-1] == 1
    assert placed.stages[-1].beta == 1
    assert all(s.ess > 0.4 * 20_000 for s in placed.stages)
    assert fixed.log_evidence is not None
    assert placed.log_evidence == pytest.approx(fixed.log_evidence, abs=0.04)
    assert placed.evidence_reason.startswith("approximate: temper(ess")
    assert not placed.warnings


def test_stages_that_do_not_suffice_are_told() -> None:
    plan = poedsl.compile("x : Real[20]\nx ~ StudentT(9, 6, 0.1)")
    result = plan.run(seed=0, particles=200, steps=3, path="temper(ess = 0.9)")
    assert len(result.stages) == 4
    assert any("had no stages left at b = " in w for w in result.warnings)
    assert result.stages[-1].beta == 1
