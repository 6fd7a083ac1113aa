"""The powers b of a tempered target: on a grid, or placed by the ESS as the run goes on."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.runtime.core.particles import Evaluation
from poedsl.runtime.targets.tempering import TemperedTarget, TemperingStage


def temper_grid(steps: int) -> tuple[TemperingStage, ...]:
    """Stages with b = (k / steps)^3: fine where the target first bends the base."""
    powers = (0.0, *((k / steps) ** 3 for k in range(1, steps + 1)))
    return tuple(TemperingStage(steps + 1 - k, b) for k, b in enumerate(powers))


def next_stage(
    target: TemperedTarget,
    x: Float[Tensor, "L D"],
    at: Evaluation,
    black_box: Float[Tensor, " L"],
    log_weights: Float[Tensor, " L"],
    stage: TemperingStage,
    share: float,
) -> TemperingStage:
    """The next stage: as far as the conditional effective sample size, of all islands together,
    is a share of the population (Zhou, Johansen and Aston 2016). Particles at which the product
    is zero are lost at any b > 0, and do not count.

    Args:
        black_box: the black-box rewards at the particles.
    """
    assert at.untempered is not None and at.base is not None
    product, base, b = at.untempered + black_box, at.base, stage.beta
    before = b * (product + target.conditions(x, b)) + (1 - b) * base

    def conditional_ess(further: float) -> float:
        log_target = further * (product + target.conditions(x, further)) + (1 - further) * base
        gain = (log_target - before).double().nan_to_num(nan=-math.inf, posinf=-math.inf)
        first, second = log_weights + gain, log_weights + 2 * gain
        total = 2 * first.logsumexp(0) - log_weights.logsumexp(0) - second.logsumexp(0)
        return float(total.exp())

    alive = torch.where(torch.isfinite(product), log_weights, -math.inf)
    share = share * float((alive.logsumexp(0) - log_weights.logsumexp(0)).exp())
    if not share > 0 or conditional_ess(1.0) >= share:
        return TemperingStage(1, 1.0)
    low, high = b, 1.0
    while high - low > 1e-3 * (high - b):
        middle = (low + high) / 2
        low, high = (middle, high) if conditional_ess(middle) >= share else (low, middle)
    return TemperingStage(stage.t - 1 if high < 1 else 1, high)
