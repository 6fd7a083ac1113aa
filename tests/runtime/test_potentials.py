"""Every potential but the paper's own ends at the reward: N(0, 1) exp(x / 2) is N(1/2, 1)."""

from __future__ import annotations

import pytest
import torch

import poedsl
from poedsl.runtime.smc import black_box_potentials
from tests.diagnostics import warning_data
from tests.runtime.helpers import moments

PLAN = poedsl.compile("x ~ Normal(0, 1) * exp(0.5 * x)").with_options(
    particles=20_000, resample="systematic(when = at(5, 3))"
)


@pytest.mark.statistical
@pytest.mark.parametrize("potential", ["difference", "maximum", "sum"])
@pytest.mark.parametrize(
    "kernel", ["none", "mala(steps = 2)", "hmc(steps = 1)", "random_walk(steps = 2)"]
)
def test_potentials_end_at_the_reward(potential: str, kernel: str) -> None:
    result = PLAN.run(seed=3, steps=10, potential=f"{potential}()", kernel=kernel)
    mean, variance = moments(result)
    assert float(mean) == pytest.approx(0.5, abs=0.06)
    assert float(variance) == pytest.approx(1, abs=0.1)
    assert result.log_evidence == pytest.approx(0.125, abs=0.03)


def test_rewards_weigh_where_resampling_may_follow_and_at_the_end() -> None:
    result = PLAN.run(steps=10, potential="maximum()")
    assert result.calls["exp"] == 3 * 20_000
    assert [s.t for s in result.stages if s.resampled] == [5, 3]


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize("potential", ["difference", "maximum", "sum"])
@pytest.mark.parametrize("resample", ["systematic(when = ess < 0.9)", "none()"])
def test_rewards_that_weigh_at_every_stage(potential: str, resample: str) -> None:
    runs = [
        PLAN.run(seed=s, particles=1000, steps=50, potential=f"{potential}()", resample=resample)
        for s in range(8, 16)
    ]
    means = torch.tensor([float(moments(r)[0]) for r in runs])
    ratios = torch.tensor([r.log_evidence - 0.125 for r in runs]).exp()
    for found, truth in ((means, 0.5), (ratios, 1.0)):
        assert abs(float(found.mean()) - truth) < 3 * float(found.std()) / 8**0.5 + 1e-3
    assert min(r.stages[-1].ess for r in runs) > 250


def test_the_whole_reward_at_every_stage_has_no_evidence() -> None:
    result = PLAN.run(particles=100, steps=10, potential="full()")
    assert result.log_evidence is None
    assert warning_data(result, "P1103") == [{"option": "potential", "form": "full"}]


@pytest.mark.parametrize("potential", ["difference", "maximum", "sum"])
def test_what_was_counted_is_what_the_weight_gained(potential: str) -> None:
    rewards = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)).double()
    counted, total = torch.zeros(4).double(), torch.zeros(4).double()
    peak = torch.full_like(counted, black_box_potentials.initial_peak(potential))
    for reward in rewards:
        gain, counted, peak = black_box_potentials.count(potential, reward, counted, peak, 6)
        total = total + gain
    torch.testing.assert_close(total, counted)
    if potential == "maximum":
        torch.testing.assert_close(peak, rewards.amax(0))
