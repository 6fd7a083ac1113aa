"""Whether a result is to be trusted."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

import poedsl
from poedsl.cli.main import app
from poedsl.runtime.core.warnings import RunWarning
from poedsl.runtime.results.evidence import Evidence, EvidenceStatus
from poedsl.runtime.results.posterior_summary import ComponentSummary, PosteriorSummary
from poedsl.runtime.results.verdict import Verdict, assess
from poedsl.runtime.smc.records import Outcome, StageRecord

PLAN = poedsl.compile("x ~ Normal(0, 1) * exp(-x^2)")
NO_COMPONENTS = PosteriorSummary({})
GOOD = StageRecord(1, 1.0, 800.0, 700, 0.5, 2, 0.1, 0.0, False, 0.1, None, 0.5, 20, 0.1, False)
KNOWN = Evidence(0.0, 0.05, EvidenceStatus.EXACT)


def codes(
    stage: StageRecord = GOOD,
    distinct_roots: int = 500,
    evidence: Evidence = KNOWN,
    posterior: PosteriorSummary = NO_COMPONENTS,
    plan: poedsl.Plan = PLAN,
) -> list[str]:
    stages = (replace(GOOD, t=2), stage)
    found = assess(plan.spec, Outcome.COMPLETED, stages, distinct_roots, evidence, posterior, ())
    assert (found.verdict is Verdict.RELIABLE) == (not found.warnings)
    return [w.code for w in found.warnings]


def test_a_good_run_is_reliable() -> None:
    assert codes() == []


@pytest.mark.parametrize(
    ("ess", "code"), [(800.0, []), (21.0, []), (19.0, ["P1013"]), (1.0, ["P1013"])]
)
def test_the_least_ess_of_any_stage(ess: float, code: list[str]) -> None:
    assert codes(replace(GOOD, ess=ess)) == code


@pytest.mark.parametrize(("distinct_roots", "code"), [(10, []), (9, ["P1005"])])
def test_ancestors(distinct_roots: int, code: list[str]) -> None:
    assert codes(distinct_roots=distinct_roots) == code


def test_a_kernel_that_ran_out_of_steps() -> None:
    few = replace(GOOD, unique_ancestors=249)
    assert codes(replace(few, correlation=0.9, exhausted=True)) == ["P1014"]
    assert codes(replace(few, correlation=0.9)) == []
    assert codes(replace(few, correlation=0.3, exhausted=True)) == []
    many = replace(GOOD, unique_ancestors=250)
    assert codes(replace(many, correlation=0.9, exhausted=True)) == []


def test_a_large_standard_error() -> None:
    assert codes(evidence=replace(KNOWN, standard_error=0.6)) == ["P1015"]
    assert codes(evidence=replace(KNOWN, standard_error=None)) == []


def test_a_missing_standard_error() -> None:
    reason = RunWarning("P1112", "no standard error")
    assert codes(evidence=replace(KNOWN, standard_error=None, reasons=(reason,))) == ["P1018"]
    absent = Evidence(None, None, EvidenceStatus.MISSING, (reason,))
    assert codes(evidence=absent) == []


@pytest.mark.parametrize(
    ("ess", "r_hat", "expected"),
    [
        (50.0, None, []),
        (49.0, None, ["P1016"]),
        (500.0, 1.09, []),
        (500.0, 1.11, ["P1017"]),
        (None, math.nan, []),
    ],
)
def test_components(ess: float | None, r_hat: float | None, expected: list[str]) -> None:
    row = ComponentSummary(1, 0.0, 1.0, -1.0, 0.0, 1.0, ess, r_hat)
    assert codes(posterior=PosteriorSummary({"x": row})) == expected
    best = poedsl.compile("x ~ Normal(0, 1) * exp(-x^2)\nsample x by anneal(keep = best())")
    assert codes(posterior=PosteriorSummary({"x": row}), plan=best) == []


def test_warnings_of_the_run_count() -> None:
    arguments = ((GOOD,), 500, KNOWN, NO_COMPONENTS)
    for code, verdict in (("P1004", Verdict.DOUBTFUL), ("P1010", Verdict.RELIABLE)):
        warned = (RunWarning(code, ""),)
        assert assess(PLAN.spec, Outcome.COMPLETED, *arguments, warned).verdict is verdict
    assert assess(PLAN.spec, Outcome.NO_WEIGHT, *arguments, ()).verdict is Verdict.FAILED


@pytest.mark.slow
def test_too_few_stages_are_doubtful() -> None:
    far = "x ~ Normal(0, 1) * exp(-50 * (x - 4)^2)"
    few = poedsl.compile(far).run(seed=0, steps=3, path="temper(base = Normal(0, 1))")
    assert few.verdict is Verdict.DOUBTFUL and "P1004" in [w.code for w in few.warnings]
    assert poedsl.compile(far).run(seed=0).verdict is Verdict.RELIABLE


@pytest.mark.slow
def test_strict_results(tmp_path: Path) -> None:
    file = tmp_path / "far.poe"
    file.write_text("x ~ Normal(0, 1) * exp(-50 * (x - 4)^2)\n", "utf-8")
    few = ["run", str(file), "--sample", "steps=3", "--sample", "path=temper(base = Normal(0, 1))"]
    assert CliRunner().invoke(app, few).exit_code == 0
    assert CliRunner().invoke(app, [*few, "--strict-result"]).exit_code == 3
    done = CliRunner().invoke(app, ["run", str(file), "--strict-result"])
    assert done.exit_code == 0 and done.stdout.startswith("verdict       reliable")


@pytest.mark.slow
@pytest.mark.parametrize(
    "text", ["tau ~ HalfNormal(1)\nx ~ Normal(0, tau)^2", "x ~ Cauchy(0, 1) / Cauchy(1, 2)"]
)
def test_a_product_without_an_integral_is_doubtful(text: str) -> None:
    result = poedsl.compile(text).run(seed=0, particles=100, steps=20)
    assert result.verdict is Verdict.DOUBTFUL
    assert "P1026" in [w.code for w in result.warnings]
