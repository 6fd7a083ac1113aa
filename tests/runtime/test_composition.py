"""The composition report: against closed forms, and where it warns."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

import poedsl
from poedsl.runtime.results.page.page import page
from poedsl.runtime.results.write_result import as_json
from poedsl.runtime.smc import composition
from poedsl.runtime.smc.composition import RATE_SPREAD, Composition
from tests.runtime.helpers import as_if_learned

WEIGHED = "sample x by anneal(particles = 2000, correct = fkc(), kernel = none, steps = 50)\n"


def gaussians(base: float, options: str = "") -> str:
    """Soiffer et al., 5.1: the product has variance 1 / (1/10 + 1 - 1/base) on both axes."""
    return (
        "x : Real[2]\n"
        "x ~ Normal([0, 0], [10^0.5, 1]) * Normal([0, 0], [1, 10^0.5])"
        f" / Normal([0, 0], [{base}^0.5, {base}^0.5])\n{options}"
    )


def found(result: poedsl.Result) -> Composition:
    assert result.composition is not None
    return result.composition


def learned(text: str) -> poedsl.Result:
    return as_if_learned(poedsl.compile(text), 0).result()


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize("base", [10.0, 20.0, 1.0, 1.1])
def test_gaussians_have_what_their_precisions_say(base: float) -> None:
    """The observations are those of N(0, 1 / P) with s_i = -p_i x, in the coordinates of the
    run.
    """
    result = poedsl.compile(gaussians(base)).run(seed=0, particles=5000)
    scale = (10 * base) ** (1 / 3)
    observations = found(result).observations
    assert len(observations) == composition.STAGES
    for observation in observations:
        a2, s2 = observation.alpha**2, 1 - observation.alpha**2
        wide, narrow, under = (1 / (a2 * v / scale + s2) for v in (10.0, 1.0, base))
        total = wide + narrow - under
        rate = total**2 - (wide**2 + narrow**2 - under**2)
        alike = (wide + narrow + under) ** 2 / (3 * (wide**2 + narrow**2 + under**2))
        assert observation.disagreement == pytest.approx(1 - alike, abs=2e-4)
        assert observation.spread == pytest.approx(2 * abs(rate) / total, rel=0.2, abs=1e-3)
        assert observation.noise[2] == pytest.approx(s2 * under**2 / total, rel=0.2)
    assert (found(result).rate_spread < RATE_SPREAD) == (base in (10.0, 1.0))


def test_the_rate_spread_is_that_of_the_rate_integrated() -> None:
    """A spread of 1 / alpha from alpha = .1 to 1 is 9, and one of 2 is 2 log 10."""
    alphas = [0.1 * 10 ** (k / 50) for k in range(51)]
    for rate, total in ((lambda a: 1 / a, 9.0), (lambda a: 2.0, 2 * math.log(10))):
        observations = tuple(composition.StageObservation(1, a, rate(a), 0.0, ()) for a in alphas)
        assert Composition((), observations, True).rate_spread == pytest.approx(total, rel=1e-3)


@pytest.mark.parametrize(("base", "outside"), [(10, 0), (20, 0), (1, 3)])
def test_experts_without_a_density_are_warned_of_outside_their_range(
    base: float, outside: int
) -> None:
    result = learned(gaussians(base, WEIGHED))
    assert len(found(result).outside) == outside
    assert len(result.warnings) == outside
    assert {w.code for w in result.warnings} <= {"P1006"}
    assert found(result).trusted == (outside == 0)


def test_exact_experts_are_no_cause_for_warnings() -> None:
    result = poedsl.compile(gaussians(1, WEIGHED)).run(seed=0)
    assert len(found(result).outside) == 3
    assert found(result).trusted and not result.warnings


def test_own_samples_are_within_the_range() -> None:
    """E|E[eps | x]|^2 <= E|eps|^2, for modes far apart too."""
    far = "mixture(Normal(-8, 0.3), Normal(0, 1), Normal(9, 0.1))"
    result = learned(f"x ~ {far}^0.5 * {far}^0.5\n{WEIGHED}")
    assert max(found(result).noise.values()) < 1.1
    assert found(result).disagreement < 1e-3 and found(result).rate_spread < 1e-3
    assert not result.warnings


def test_chance_is_allowed_for() -> None:
    """A few particles of pure noise see more than one a component now and then."""
    plan = poedsl.compile(gaussians(10, WEIGHED)).with_options(particles=2, steps=20)
    runs = (as_if_learned(plan, seed).result() for seed in range(6))
    assert not any(w.code == "P1006" for run in runs for w in run.warnings)


@pytest.mark.slow
def test_looking_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = poedsl.compile(gaussians(1.1)).with_options(particles=60, steps=12)
    looked, chunked = plan.run(seed=0), plan.run(seed=0, microbatch=17)
    monkeypatch.setattr(composition, "STAGES", 0)
    blind = plan.run(seed=0)
    assert blind.composition is None
    assert torch.equal(blind.particles["x"], looked.particles["x"])
    assert torch.equal(blind.log_weights, looked.log_weights)
    assert blind.calls == looked.calls and blind.nfe == looked.nfe
    assert found(chunked).rate_spread == pytest.approx(found(looked).rate_spread, rel=1e-3)


@pytest.mark.slow
@pytest.mark.statistical
def test_an_expert_on_a_part_is_compared_on_its_part() -> None:
    """Two experts of four components and of one; noise at its own samples is as on the line."""
    text = "x : Real[4]\nx ~ Normal(0, 1)\nx[0:1] ~ Normal(0, 1)\n"
    observations = found(poedsl.compile(text).run(seed=0, particles=5000)).observations
    for observation in observations:
        sigma2 = 1 - observation.alpha**2
        assert observation.noise[0] == pytest.approx(sigma2 * (3 + 0.5) / 4, rel=0.1)
        assert observation.noise[1] == pytest.approx(sigma2 / 2, rel=0.2)


@pytest.mark.slow
@pytest.mark.parametrize(
    "text", ["x ~ Normal(0, 1)", "x ~ Normal(0, 1) * Laplace(0, 1) / Normal(0, 2)"]
)
def test_nothing_is_said_of_what_is_no_composition_on_the_path(text: str) -> None:
    options = "" if "/" not in text else "\nsample x by anneal(path = temper())"
    result = poedsl.compile(text + options).run(seed=0, particles=50)
    assert result.composition is None and "Composition" not in result.report()
    assert as_json(result)["composition"] is None


def test_the_report_is_in_words_and_in_json(tmp_path: Path) -> None:
    result = learned(gaussians(1, WEIGHED))
    for shown in (result.report(), page(result)):
        assert "Composition" in shown
        assert f"{found(result).rate_spread:.2g}" in shown
    report = json.loads(json.dumps(as_json(result)["composition"], allow_nan=False))
    assert not report["trusted"]
    assert [e["name"] for e in report["experts"]] == ["Normal", "Normal_2", "Normal_3"]
    assert all(e["noise"] > e["limit"] for e in report["experts"])
    assert len(report["observations"]) == composition.STAGES
