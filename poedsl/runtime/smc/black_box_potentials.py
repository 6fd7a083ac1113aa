"""How black-box rewards weigh along the path: log potentials of a particle's rewards so far.

With all but `full` the potentials of a run multiply to the reward at its end, since the last one
takes off what was counted before (Singhal et al. 2025).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor


class CountedReward(NamedTuple):
    """What the weight gains, and what a particle carries on."""

    gain: Float[Tensor, " L"]
    counted: Float[Tensor, " L"]
    peak: Float[Tensor, " L"]


def count(
    potential: str,
    reward: Float[Tensor, " L"],
    counted: Float[Tensor, " L"],
    peak: Float[Tensor, " L"],
    stages: int,
) -> CountedReward:
    """One stage's potential.

    Args:
        potential: ``difference``: by the increase; ``maximum``: by the highest so far; ``sum``: by
            all so far, both in shares that make up about one reward over all stages; ``full``: by
            the whole reward at every stage (Zhang et al., Algorithm 1), which counts it many times.
        counted: log of the potentials so far.
        peak: the highest reward so far, or the sum of all.
        stages: at how many rewards weigh.
    """
    match potential:
        case "maximum":
            highest = torch.maximum(peak, reward)
            gain = highest / stages
            return CountedReward(gain, counted + gain, highest)
        case "sum":
            total = peak + reward
            gain = 2 * total / (stages * (stages + 1))
            return CountedReward(gain, counted + gain, total)
        case "full":
            return CountedReward(reward, reward, peak)
        case _:
            return CountedReward(reward - counted, reward, peak)


def initial_peak(potential: str) -> float:
    """What a potential remembers before there is any reward."""
    return -math.inf if potential == "maximum" else 0.0
