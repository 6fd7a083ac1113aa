"""Moves from one distribution of the path to the next, and the weights that make up for them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.runtime.path import Interval
from poedsl.runtime.state import Evaluation


@dataclass(frozen=True, slots=True)
class Moved:
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
    x: Float[Tensor, "L D"], at: Evaluation, step: Interval, exponents: Float[Tensor, " #D"]
) -> Moved:
    """The probability flow, with the control (W - 1) (alpha'/alpha) x (Zhang et al., C.1)."""
    return Moved(step.ode_shrink * x + step.ode_score * (at.score + (exponents - 1) * x))


def sde(
    x: Float[Tensor, "L D"],
    at: Evaluation,
    step: Interval,
    exponents: Float[Tensor, " #D"],
    noise: Float[Tensor, "L D"],
    eta: float,
) -> Moved:
    """With eta^2 of the path's own noise, drawn along the rewards' gradient where there is one."""
    mean = step.decay * x + step.pull * (at.score + exponents * x)
    if eta != 1:
        mean = eta**2 * mean + (1 - eta**2) * ode(x, at, step, exponents).x
    scale = eta * step.variance.sqrt()
    if at.guide_score is None:
        return Moved(mean + scale * noise, noise)
    shift = eta**2 * step.pull / scale * at.guide_score
    drawn = noise + shift
    twist = 0.5 * (noise.square() - drawn.square()).sum(-1)
    return Moved(mean + scale * drawn, noise, twist)


def denoise(
    x: Float[Tensor, "L D"], at: Evaluation, step: Interval, exponents: Float[Tensor, " #D"]
) -> Moved:
    """The last move of a path whose end no expert can judge: the noisy one without its noise."""
    return Moved(step.decay * x + step.pull * (at.score + exponents * x))


def fkc_rate(
    x: Float[Tensor, "L D"], at: Evaluation, exponents: Float[Tensor, " #D"]
) -> Float[Tensor, " L"]:
    """The log-weight rate in units of log alpha: |S|^2 - sum_i w_i |s_i|^2 + (W - 1) x . S.

    Feynman-Kac correction (Skreta et al. 2025; Soiffer et al., Eq. 11), with the control (W - 1)
    (alpha'/alpha) x that frees the exponents from summing to one; in time, the rate is this times
    alpha'/alpha.
    """
    assert at.squares is not None
    return ((at.score + (exponents - 1) * x) * at.score).sum(-1) - at.squares


def ais_ratio(
    before: Float[Tensor, "L D"],
    old: Evaluation,
    after: Float[Tensor, "L D"],
    new: Evaluation,
    noise: Float[Tensor, "L D"] | None,
    step: Interval,
) -> Float[Tensor, " L"]:
    """The exact log ratio of densities for a move (Neal 2001; Del Moral et al. 2006, Eq. 12).

    Without a move, log pi_t(x) - log pi_{t+1}(x). With one, pi_t(x') B(x | x') / (pi_{t+1}(x)
    F(x' | x)), the backward kernel B being the path's own noising, whose variance is that of F.
    """
    assert old.log_density is not None and new.log_density is not None
    ratio = new.log_density - old.log_density
    if noise is None:
        return ratio
    back = (before - step.decay * after).square() / step.variance
    return ratio + 0.5 * (noise.square() - back).sum(-1)


def clipped(increment: Float[Tensor, " L"], limit: float | None) -> Float[Tensor, " L"]:
    """The increment kept within ``limit`` of its median; biased."""
    if limit is None:
        return increment
    middle = increment.median()
    return torch.clamp(increment, middle - limit, middle + limit)
