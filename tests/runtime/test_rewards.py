"""Rewards that guide and rewards that only weigh end at the same mean: N(0, 1) exp(x / 2)."""

from __future__ import annotations

import pytest
import torch

import poedsl
from poedsl.runtime.run import Run, judging

REWARD = poedsl.compile("x ~ Normal(0, 1) * exp(0.5 * x)")


def judged(seed: int, black: bool, **options: object) -> poedsl.Result:
    """A run in which the reward may be one that only weighs, whatever the potential."""
    job = Run(REWARD.with_options(particles=500, steps=8, **options).bound().spec, seed)
    if black:
        job.target.tilts = tuple(map(judging, job.target.tilts))
    for _ in job.stages():
        pass
    return job.result()


def mean_and_error(black: bool, **options: object) -> tuple[float, float]:
    results = [judged(seed, black, **options) for seed in range(8)]
    means = [float(r.log_weights.exp() @ r.particles["x"].double()) for r in results]
    found = torch.tensor(means)
    return float(found.mean()), float(found.std()) / 8**0.5


@pytest.mark.parametrize("black", [True, False], ids=["black box", "differentiable"])
@pytest.mark.parametrize("resample", ["systematic(when = ess < 0.9)", "none"])
@pytest.mark.parametrize("kernel", ["none", "mala(steps = 1, adapt = false)"])
def test_differences_end_at_the_reward(kernel: str, resample: str, black: bool) -> None:
    """N(0, 1) exp(x / 2) is N(1/2, 1), also where kernels know nothing of the reward."""
    mean, error = mean_and_error(black, kernel=kernel, resample=resample)
    assert error < 0.05
    assert abs(mean - 0.5) < 3 * error


def test_the_whole_reward_at_every_stage_does_not() -> None:
    mean, error = mean_and_error(True, potential="full()", kernel="none", resample="none")
    assert mean > 0.5 + 10 * error
