"""Acceptance of Metropolis-adjusted kernels."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from poedsl.runtime.core.particles import Point


def density_ratio(here: Point, there: Point) -> Float[Tensor, " L"]:
    """The exact increase of the log target, where every expert has a density."""
    assert here.at is not None and there.at is not None
    return reward_ratio(there.at.log_target - here.at.log_target, here, there)


def reward_ratio(ratio: Float[Tensor, " L"], here: Point, there: Point) -> Float[Tensor, " L"]:
    """A log ratio, and the increase of the black-box rewards where kernels accept by them."""
    if here.reward is None or there.reward is None:
        return ratio
    return ratio + (there.reward - here.reward).to(ratio)


def acceptance_probability(log_ratio: Float[Tensor, " L"]) -> Float[Tensor, " L"]:
    """min(1, ratio); zero where the ratio is not a number. Overwrites its argument."""
    return log_ratio.clamp_(max=0.0).exp_().nan_to_num_(nan=0.0)
