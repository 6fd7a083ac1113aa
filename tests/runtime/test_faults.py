"""Experts that fail for some or for all particles."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

import poedsl
from poedsl.experts.protocol import Generative, Noised
from poedsl.runtime.core.warnings import WarningLog
from poedsl.runtime.results.write_result import OutputFolder
from poedsl.runtime.run import Run
from poedsl.runtime.smc.anneal import anneal
from poedsl.runtime.smc.health import HealthCheck
from poedsl.runtime.smc.records import Outcome
from poedsl.runtime.smc.resampler import Resampler
from tests.diagnostics import warning_data
from tests.runtime.helpers import substitute


@dataclass
class Broken:
    """Not a number where the first component exceeds a limit."""

    expert: Generative
    limit: float
    has_density = True
    terminal = True
    calls_per_evaluation = 1
    inference_mode = True

    def endpoint_precision(self, alpha: float, sigma: float) -> Tensor | float:
        return self.expert.endpoint_precision(alpha, sigma)

    def noised(self, x: Tensor, alpha: float, sigma: float) -> Noised:
        score, log_density = self.expert.noised(x, alpha, sigma)
        bad = x[:, :1] > self.limit
        assert log_density is not None
        nan = float("nan")
        return Noised(torch.where(bad, nan, score), torch.where(bad[:, 0], nan, log_density))


def broken(limit: float) -> Run:
    plan = poedsl.compile("x ~ Normal(0, 1) * Normal(0, 2)").with_options(particles=200, steps=10)
    job = Run(plan.bound().spec)
    first, second = job.target.experts
    substitute(job, experts=(first, replace(second, expert=Broken(second.expert, limit))))
    for _ in job.stages():
        pass
    return job


@dataclass
class Failing(Broken):
    """Not a number anywhere from some signal on."""

    def noised(self, x: Tensor, alpha: float, sigma: float) -> Noised:
        noised = self.expert.noised(x, alpha, sigma)
        return noised if alpha < self.limit else Noised(*(v * float("nan") for v in noised))


def failing_at(stage: int) -> Run:
    """A finished run whose second expert fails from a stage on."""
    plan = poedsl.compile("x ~ Normal(0, 1) * Normal(0, 2)").with_options(particles=200, steps=10)
    job = Run(plan.bound().spec)
    first, second = job.target.experts
    at = next(s.alpha for s in job.model.stages if s.t == stage)
    substitute(job, experts=(first, replace(second, expert=Failing(second.expert, at))))
    for _ in job.stages():
        pass
    return job


def test_some_particles_lost_are_a_warning_that_names_the_factor() -> None:
    result = broken(1.5).result()
    assert result.outcome is Outcome.COMPLETED
    blamed = [(data["factor"], data["place"]) for data in warning_data(result, "P1001")]
    assert ("Normal_2", "<string>:1:20") in blamed
    alive = torch.isfinite(result.log_weights)
    assert torch.isfinite(result.particles["x"][alive]).all()
    torch.testing.assert_close(result.log_weights.exp().sum(), torch.tensor(1.0).double())


def test_all_particles_lost_end_the_run_with_the_last_good_ones() -> None:
    job = failing_at(4)
    result = job.result()
    assert result.outcome is Outcome.NOT_FINITE
    assert result.log_evidence is None
    assert [s.t for s in result.stages] == list(range(11, 4, -1))
    assert len(result.eve_indices) == len(result.stages)
    assert warning_data(result, "P1002") == [{"stage": 4, "kept_stage": 5}]
    # As the healthy run had them at stage 5, before its kernel.
    healthy = Run(job.plan)
    options, kept = healthy.options, []

    class Keeping(Resampler):
        def __call__(self, population: Any, rng: Any, *, equal_weights: bool = False) -> Any:
            kept.append(super().__call__(population, rng, equal_weights=equal_weights))
            return kept[-1]

    health = HealthCheck(healthy.target, WarningLog())
    keeping = Keeping(options.scheme, options.resample)
    for after in anneal(healthy.model, keeping, healthy.rng, health):
        if after.population.stage.t == 5:
            break
    x = healthy.target.space.values(kept[-1].particles.x)["x"]
    torch.testing.assert_close(result.particles["x"], x)
    torch.testing.assert_close(result.log_weights.exp().sum(), torch.tensor(1.0).double())


def test_a_failed_run_leaves_its_folder(tmp_path: Path) -> None:
    result = failing_at(4).result()
    folder = OutputFolder(tmp_path, "{}")
    folder.finish(result)
    written = json.loads((tmp_path / "result.json").read_text())
    assert written["outcome"] == "not_finite" and written["best"] is None
    assert written["outcome_text"]
    kept = load_file(tmp_path / "particles.safetensors")
    assert torch.equal(kept["x"], result.particles["x"])
    assert torch.isfinite(kept["x"]).all() and kept["x"].std() > 0
    assert (tmp_path / "report.html").exists()


@pytest.mark.slow
def test_conditions_that_nothing_meets_leave_what_was_there_before() -> None:
    result = poedsl.compile("x ~ Normal(0, 1) * where(round(x) == 7)").run(seed=0, particles=100)
    assert result.outcome is Outcome.NO_WEIGHT
    assert float(result.particles["x"].std()) > 0.5
    assert result.ess > 50
