"""Evidence that is unbiased, since a pilot run has tuned the stages and the kernels."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

import poedsl
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.feynman_kac.tempering import TemperingModel
from poedsl.runtime.run import Run
from poedsl.runtime.smc.records import Outcome

REGRESSION = "x : Real[2]\nx ~ Normal(0, 1) * exp(-2 * sum((x - 2)^2))"
LOG_Z = -math.log(5) - 2 * 2 * 4 / 5


def finished(text: str, path: str, **settings: int) -> Run:
    plan = poedsl.compile(text).with_options(particles=50, path=path)
    job = Run(plan.bound().spec, RunSettings(**settings))
    for _ in job.stages():
        pass
    return job


@pytest.mark.slow
def test_a_run_takes_the_stages_and_steps_of_its_pilot() -> None:
    job = finished(REGRESSION, "temper(unbiased = true, base = Normal(0, 1))", seed=3)
    result = job.result()
    assert isinstance(job.model, TemperingModel) and job.model.tuned is not None
    assert [s.beta for s in result.stages] == [s.beta for s in job.model.stages]
    assert len(result.stages) > 3 and result.stages[-1].t == 1
    for stage in result.stages[1:]:
        tuned = job.model.tuned[stage.t]
        assert tuned.steps is not None and stage.kernel_steps == tuned.steps.count
        assert stage.step_size == pytest.approx(tuned.step_size.mean)
        assert stage.correlation == tuned.correlation
    assert result.stages[0].nfe - 1 == sum(s.nfe for s in result.stages[1:]) + 1


@pytest.mark.slow
def test_its_noise_is_not_that_of_the_pilot() -> None:
    """Else a run of fixed stages and steps would repeat it."""
    path = "temper(unbiased = true, base = Normal(0, 1))"
    pilot = finished(REGRESSION, "temper(base = Normal(0, 1))", seed=3).result()
    run = finished(REGRESSION, path, seed=3).result()
    other = finished(REGRESSION, path, seed=4).result()
    draws = [r.particles["x"] for r in (pilot, run, other)]
    assert not any(torch.isin(a, b).any() for a, b in itertools.pairwise(draws))


@pytest.mark.statistical
def test_without_a_kernel() -> None:
    plan = poedsl.compile(REGRESSION).with_options(kernel="none", path="temper(unbiased = true)")
    result = plan.run(seed=0)
    assert result.log_evidence == pytest.approx(LOG_Z, abs=0.1)


@pytest.mark.slow
@pytest.mark.statistical
def test_the_mean_of_the_evidence_is_exact() -> None:
    plan = poedsl.compile("x ~ Normal(0, 1) * exp(-2 * (x - 2)^2)")
    path = "temper(unbiased = true, base = Normal(0, 1))"
    runs = [plan.run(seed=s, particles=8, path=path) for s in range(40)]
    ratios = torch.tensor([r.log_evidence for r in runs]).sub(LOG_Z / 2).exp()
    assert abs(float(ratios.mean()) - 1) < 3 * float(ratios.std()) / len(runs) ** 0.5
    assert float(ratios.std()) < 1


def test_a_pilot_run_that_fails_is_the_stage_of_the_result() -> None:
    plan = poedsl.compile("x ~ Normal(0, 1) * exp(sqrt(x - 100))")
    plan = plan.with_options(path="temper(unbiased = true)", particles=8)
    result = plan.run(seed=0)
    assert result.outcome is Outcome.NOT_FINITE and result.log_evidence is None
    (stage,) = result.stages
    assert stage.beta == 0 and stage.nfe == result.nfe
    first, last = plan.stream(seed=0)
    assert first.record == last.record and first.result is None
    assert last.result is not None and last.result.outcome is Outcome.NOT_FINITE
