"""Every potential but the paper's own ends at the reward: N(0, 1) exp(x / 5) has mean 0.2."""

from __future__ import annotations

import pytest
import torch

import poedsl
from poedsl.runtime import potentials

PLAN = poedsl.compile("x ~ Normal(0, 1) * exp(0.2 * x)")


@pytest.mark.parametrize("potential", ["difference", "maximum", "sum"])
def test_potentials_end_at_the_reward(potential: str) -> None:
    result = PLAN.run(
        seed=3, particles=20_000, steps=5, potential=f"{potential}()", kernel="mala(steps = 2)"
    )
    mean = float((result.log_weights.exp() * result.particles["x"]).sum())
    assert mean == pytest.approx(0.2, abs=0.06)
    assert result.log_evidence == pytest.approx(0.02, abs=0.03)


def test_the_whole_reward_at_every_stage_has_no_evidence() -> None:
    result = PLAN.run(particles=100, steps=5, potential="full()")
    assert result.log_evidence is None
    assert "more than once" in result.evidence_reason


@pytest.mark.parametrize("potential", ["difference", "maximum", "sum"])
def test_what_was_counted_is_what_the_weight_gained(potential: str) -> None:
    rewards = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)).double()
    counted, total = torch.zeros(4).double(), torch.zeros(4).double()
    peak = potentials.start(potential, counted)
    for reward in rewards:
        gain, counted, peak = potentials.count(potential, reward, counted, peak)
        total = total + gain
    torch.testing.assert_close(total, counted)
    if potential == "maximum":
        torch.testing.assert_close(peak, rewards.amax(0))
