"""Experts that fail for some or for all particles."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

import poedsl
from poedsl.experts.protocol import Generative, Noised
from poedsl.runtime.records import Outcome
from poedsl.runtime.run import Run


@dataclass
class Broken:
    """Not a number where the first component exceeds a limit."""

    expert: Generative
    limit: float
    has_density = True
    terminal = True
    calls_per_evaluation = 1

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
    job = Run(plan.bound().spec, 0, "cpu", None)
    first, second = job.target.anchors
    job.target.anchors = (first, replace(second, expert=Broken(second.expert, limit)))
    for _ in job.stages():
        pass
    return job


def test_some_particles_lost_are_a_warning_that_names_the_factor() -> None:
    result = broken(1.5).result()
    assert result.outcome is Outcome.COMPLETED
    assert any(w.startswith("Normal_2 at <string>:1:20 is not finite for") for w in result.warnings)
    alive = torch.isfinite(result.log_weights)
    assert torch.isfinite(result.particles["x"][alive]).all()
    torch.testing.assert_close(result.log_weights.exp().sum(), torch.tensor(1.0).double())


def test_all_particles_lost_end_the_run() -> None:
    result = broken(-1e9).result()
    assert result.outcome is Outcome.NOT_FINITE
    assert result.log_evidence is None
