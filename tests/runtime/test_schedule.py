"""Where the stages of a path of Gaussians stand."""

from __future__ import annotations

import math

import pytest
import torch

import poedsl
from poedsl.runtime.path import FlowPath
from poedsl.runtime.prepare import prepare
from poedsl.runtime.run import Run

SHARP = """
let c = linspace(-3.5, 3.5, 8)
x : Real[2]
x ~ mixture(Normal([m, 0], [0.1, 2.2]) for m in c) * mixture(Normal([0, m], [2.2, 0.1]) for m in c)
"""


def path_of(program: str, steps: int = 40) -> FlowPath:
    plan = poedsl.compile(program).with_options(steps=steps)
    return prepare(plan.bound().spec, torch.device("cpu"))[1]


def angles(path: FlowPath) -> torch.Tensor:
    return torch.tensor([math.atan2(s.alpha, s.sigma) for s in path.stages], dtype=torch.float64)


@pytest.mark.parametrize("program", ["x ~ Normal(3, 2)", "x ~ Normal(3, 2)^0.4 * Normal(3, 2)^0.6"])
def test_experts_as_wide_as_the_noise_are_evenly_spaced(program: str) -> None:
    path = path_of(program)
    gaps = angles(path).diff()
    torch.testing.assert_close(gaps, gaps.mean().expand_as(gaps), rtol=1e-3, atol=0)
    assert [s.widening for s in path.stages] == pytest.approx([1.0] * 41, abs=1e-3)


def test_narrow_parts_take_most_of_the_stages_where_they_come_apart() -> None:
    path = path_of(SHARP)
    gaps = angles(path).diff()
    assert float(gaps[-10:].max()) < 0.5 * float(gaps[:10].min())
    end = math.prod(s.widening for s in path.stages)
    widest = [s.widening for s in path.stages]
    assert 0.5 * 0.1**2 / 2 < end < 0.02 and max(widest) < 1.1


@pytest.mark.parametrize("seed", [0, 1])
def test_sharp_mixtures_keep_their_particles(seed: int) -> None:
    """64 peaks, a tenth as wide as they are apart, in 50 moves."""
    plan = poedsl.compile(SHARP).with_options(particles=2000, steps=50)
    result = plan.run(seed=seed)
    assert min(stage.ess for stage in result.stages) > 1000
    assert all(0.4 < stage.acceptance < 0.75 for stage in result.stages[5:] if stage.acceptance)
    wide = 0.1**2 + 2.2**2
    centres = torch.linspace(-3.5, 3.5, 8, dtype=torch.float64)
    both = torch.cartesian_prod(centres, centres).square().sum(1)
    truth = float((-0.5 * both / wide).exp().mean().log()) - math.log(2 * math.pi * wide)
    assert result.log_evidence == pytest.approx(truth, abs=0.05)


def test_sizes_that_do_not_adapt_stay() -> None:
    plan = poedsl.compile(SHARP).with_options(
        particles=20, steps=8, kernel="mala(size = 0.25, adapt = false)"
    )
    job = Run(plan.bound().spec, 0)
    assert {stage.step_size for stage in job.stages()} == {0.25}
