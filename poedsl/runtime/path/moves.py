"""Moves from one distribution of the path to the next, and the log ratios that correct for the
mismatch between a move and the path.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.runtime.core.particles import Evaluation
from poedsl.runtime.path.control_drift import Control
from poedsl.runtime.path.noising_path import StageTransition

#: The largest shift of the mean of a move by the rewards' gradient, in each component, in units of
#: the move's standard deviation. A longer one, beyond where the gradient is valid, would give
#: weights with heavy tails.
REACH = 0.3


@dataclass(frozen=True, slots=True)
class MoveResult:
    """Where a move led.

    Attributes:
        noise: the standard normals it drew, if any.
        twist: log ratio of the densities of the move without and with the rewards' gradient in
            its mean.
    """

    x: Float[Tensor, "L D"]
    noise: Float[Tensor, "L D"] | None = None
    twist: Float[Tensor, " L"] | None = None


def ode(
    x: Float[Tensor, "L D"],
    at: Evaluation,
    step: StageTransition,
    excess: Float[Tensor, " #D"],
    control: Control | None = None,
) -> MoveResult:
    """The probability flow, with the control (W - 1) (alpha'/alpha) x (Zhang et al., C.1)."""
    end = step.ode_shrink * x + step.ode_score * (at.score + excess * x)
    return MoveResult(end if control is None else end + (step.ode_shrink - 1) * control.drift(at))


def sde(
    x: Float[Tensor, "L D"],
    at: Evaluation,
    step: StageTransition,
    noise: Float[Tensor, "L D"] | None,
    control: Control | None = None,
) -> MoveResult:
    """With noise, drawn along the rewards' gradient where there is one; without, only the mean.

    The shift by the rewards is bounded by ``REACH`` in each component.
    """
    mean = torch.addcmul(step.keep * x, step.pull, at.score)
    if control is not None:
        mean = mean + step.push * control.drift(at)
    if noise is None:
        return MoveResult(mean)
    if at.reward_score is None:
        return MoveResult(mean.addcmul_(step.spread, noise), noise)
    pull = step.reward / step.spread * at.reward_score
    drawn = noise + pull.clamp(-REACH, REACH).where(pull.isfinite(), math.nan)
    twist = 0.5 * (noise.square() - drawn.square()).sum(-1)
    return MoveResult(mean.addcmul_(step.spread, drawn), noise, twist)


def fkc_rate(
    x: Float[Tensor, "L D"],
    at: Evaluation,
    excess: Float[Tensor, " #D"],
    control: Control | None = None,
) -> Float[Tensor, " L"]:
    """The log-weight rate in units of log alpha: |S|^2 - sum_i w_i |s_i|^2 + (W - 1) x . S.

    Feynman-Kac correction (Skreta et al. 2025; Soiffer et al., Eq. 11), with the control (W - 1)
    (alpha'/alpha) x that frees the exponents from summing to one; in time, the rate is this times
    alpha'/alpha. A control drift adds its own gain.
    """
    assert at.squares is not None
    controlled = torch.addcmul(at.score, excess, x)
    rate = controlled.mul_(at.score).sum(-1) - at.squares
    return rate if control is None else rate + control.gain(at)


def ais_ratio(
    before: Float[Tensor, "L D"],
    old: Evaluation,
    after: Float[Tensor, "L D"],
    new: Evaluation,
    noise: Float[Tensor, "L D"] | None,
    step: StageTransition,
) -> Float[Tensor, " L"]:
    """The exact log ratio of densities for a move (Neal 2001; Del Moral et al. 2006, Eq. 12).

    Without a move, log pi_t(x) - log pi_{t+1}(x). With one, pi_t(x') B(x | x') / (pi_{t+1}(x)
    F(x' | x)), the backward kernel B being the path's own noising, whose variance is that of F.
    A particle that starts where the density is zero has weight zero, and keeps it.
    """
    ratio = density_increase(old, new)
    if noise is None:
        return ratio
    back = torch.addcmul(before, step.decay, after, value=-1).div_(step.spread)
    return ratio.add_((noise - back).mul_(noise + back).sum(-1), alpha=0.5)


def clipped(increment: Float[Tensor, " L"], limit: float | None, islands: int) -> Tensor:
    """The increment kept within ``limit`` of its median in the island; biased."""
    if limit is None:
        return increment
    rows = increment.view(islands, -1)
    middle = rows.nanmedian(-1, keepdim=True).values
    return torch.clamp(rows, middle - limit, middle + limit).flatten()


def density_increase(old: Evaluation, new: Evaluation) -> Float[Tensor, " L"]:
    """log pi_t(x) - log pi_{t+1}(x) (Neal 2001). A particle that starts where the density is zero
    has weight zero, and keeps it.
    """
    assert old.log_density is not None and new.log_density is not None
    ratio = new.log_density - old.log_density
    return torch.where(old.log_density == -math.inf, -math.inf, ratio)
