"""Rewards that guide and rewards that only weigh end at the same mean: N(0, 1) exp(x / 2)."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

import poedsl
from poedsl.runtime.build.reward_requirements import weighing_only
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.run import Run
from tests.runtime.helpers import substitute

REWARD = poedsl.compile("x ~ Normal(0, 1) * exp(0.5 * x)")


def weighed(seed: int, black: bool, **options: object) -> poedsl.Result:
    """A run in which the reward may be one that only weighs, whatever the potential."""
    job = Run(
        REWARD.with_options(particles=500, steps=8, **options).bound().spec, RunSettings(seed=seed)
    )
    if black:
        substitute(job, reward_factors=tuple(map(weighing_only, job.target.reward_factors)))
    for _ in job.stages():
        pass
    return job.result()


def mean_and_error(black: bool, **options: object) -> tuple[float, float]:
    results = [weighed(seed, black, **options) for seed in range(8)]
    means = [float(r.log_weights.exp() @ r.particles["x"].double()) for r in results]
    found = torch.tensor(means)
    return float(found.mean()), float(found.std()) / 8**0.5


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize("black", [True, False], ids=["black box", "differentiable"])
@pytest.mark.parametrize("resample", ["systematic(when = ess < 0.9)", "none"])
@pytest.mark.parametrize("kernel", ["none", "mala(steps = 1, adapt = false)"])
def test_differences_end_at_the_reward(kernel: str, resample: str, black: bool) -> None:
    """N(0, 1) exp(x / 2) is N(1/2, 1), also where kernels know nothing of the reward."""
    mean, error = mean_and_error(black, kernel=kernel, resample=resample)
    assert error < 0.05
    assert abs(mean - 0.5) < 3 * error


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize("beside", ["", "\ny : Real[100]\ny ~ Normal(0, 1)"])
def test_moves_along_a_steep_reward_have_no_heavy_tails(beside: str) -> None:
    """Three narrow modes times exp(-x^2), by moves alone; the product is a mixture again."""
    centres, variance = torch.tensor([-4.0, 0.0, 4.0], dtype=torch.float64), 0.3
    modes = ", ".join(f"Normal({c:g}, {variance**0.5})" for c in centres)
    slack = 1 + 2 * variance
    shares = torch.softmax(-(centres**2) / slack, 0)
    truth = float(shares @ ((centres / slack) ** 2 + variance / slack))
    plan = poedsl.compile(f"x ~ mixture({modes}) * exp(-x^2){beside}")
    options = {"kernel": "none", "steps": 48, "resample": "none"}
    runs = [plan.run(seed=seed, **options) for seed in range(5)]
    assert max(float(r.log_weights.max().exp()) for r in runs) < 0.03
    squares = [float(r.log_weights.exp() @ r.particles["x"].double() ** 2) for r in runs]
    found = torch.tensor(squares)
    assert abs(float(found.mean()) - truth) < 4 * float(found.std()) / 5**0.5


@pytest.mark.slow
@pytest.mark.statistical
def test_moves_follow_a_reward() -> None:
    """In fifty components, where moves that know nothing of it resample twenty times."""
    plan = poedsl.compile("x : Real[50]\nx ~ Normal(0, 1) * exp(-sum(x^2))")
    result = plan.run(kernel="none", steps=48)
    assert sum(stage.resampled for stage in result.stages) < 10
    assert result.log_evidence == pytest.approx(-25 * math.log(3), abs=1)


def test_the_whole_reward_at_every_stage_does_not() -> None:
    mean, error = mean_and_error(True, potential="full()", kernel="none", resample="none")
    assert mean > 0.5 + 10 * error


# N(0, 1) exp(-2 (x - 1)^2) by a black-box reward: N(4/5, 1/5), with evidence exp(-2/5) / sqrt(5).


@poedsl.reward
def near_one(x: poedsl.Real) -> torch.Tensor:
    """Without its gradient."""
    return -2 * (x - 1).square()


SCORED = poedsl.compile("x ~ Normal(0, 1) * exp(near_one())")
FIXED = ["mala(adapt = false)", "hmc(adapt = false)", "random_walk(adapt = false)"]


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize("path", ["flow()", "temper()"])
@pytest.mark.parametrize("kernel", FIXED)
def test_the_evidence_is_unbiased_where_kernels_accept_by_a_reward(kernel: str, path: str) -> None:
    """Two thousand islands of eight."""
    options = {"kernel": kernel, "path": path, "move": "none", "particles": 16_000}
    job = Run(SCORED.with_options(islands=2000, steps=4, **options).bound().spec)
    for _ in job.stages():
        pass
    each = job.population.island_evidence
    ratios = each.add(0.4 + math.log(5) / 2).exp()
    error = float(ratios.std()) / len(ratios) ** 0.5
    assert error < 0.05
    assert abs(float(ratios.mean()) - 1) < 3 * error


@pytest.mark.slow
@pytest.mark.parametrize("kernel", FIXED)
def test_kernels_that_accept_by_a_reward_leave_its_target_alone(kernel: str) -> None:
    """One stage with exact draws as they come: 40 steps move them, and not their distribution."""
    options = {"kernel": kernel.replace("(", "(steps = 40, "), "particles": 4000, "steps": 4}
    job = Run(SCORED.with_options(**options).bound().spec)
    stage = job.model.stages[-1]
    exact = 0.8 + 0.2**0.5 * torch.randn(4000, 1, generator=torch.Generator().manual_seed(0))
    reward = job.target.black_box_value(exact, final=False).double()
    start = job.model.init(job.rng)
    memory = replace(start.particles.rewards, black_box=reward, counted=reward)
    at = job.target.evaluate(exact, stage)
    particles = replace(start.particles, x=exact, at=at, rewards=memory)
    moved = job.model.mutate(replace(start, particles=particles, stage=stage), job.rng)
    x = moved.particles.x
    assert float((x - exact).abs().mean()) > 0.2
    assert float(x.mean()) == pytest.approx(0.8, abs=0.03)
    assert float(x.var()) == pytest.approx(0.2, rel=0.1)
    assert torch.equal(
        moved.particles.rewards.counted, job.target.black_box_value(x, final=False).double()
    )


def test_a_reward_is_called_once_a_step_where_kernels_accept_by_it() -> None:
    """Four stages of a move and two steps, and the last correction."""
    for kernel, calls in (("mala(steps = 2)", 13), ("hmc(steps = 2)", 13), ("langevin", 5)):
        options = {"particles": 10, "steps": 4, "kernel": kernel, "path": "flow()"}
        result = SCORED.run(seed=0, **options)
        assert result.calls["near_one"] == 10 * calls
