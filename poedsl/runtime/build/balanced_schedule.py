"""Where the stages of a path of Gaussians stand: so that all moves cost the weights alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from poedsl.experts.densities.gaussian_mixtures import Gaussians
from poedsl.runtime.path.noising_path import ALPHA_MIN, Schedule
from poedsl.runtime.targets.expert_factor import ExpertFactor

#: The most components that are looked at; of more, as many at random.
COMPONENTS = 2048


class MixturePart(NamedTuple):
    """What a typical part of a mixture is, along the components that an expert sees.

    Attributes:
        places: which they are, of those that are looked at.
        variance: geometric mean over the parts; along all where covariances are full, that of the
            narrowest axes.
        mean: of the mixture. between: variance of the means of its parts.
    """

    places: Int[Tensor, " d"]
    exponent: Float[Tensor, " d"]
    variance: Float[Tensor, " d"]
    mean: Float[Tensor, " d"]
    between: Float[Tensor, " d"]


def balanced(experts: Sequence[ExpertFactor], size: int, steps: int) -> Schedule | None:
    """Of ``steps`` moves, all equally long by `speed`; None where an expert is no Gaussian."""
    gaussians = [a.expert for a in experts if isinstance(a.expert, Gaussians)]
    if len(gaussians) < len(experts):
        return None
    order = torch.randperm(size, generator=torch.Generator("cpu").manual_seed(0), device="cpu")
    numbers = torch.full((size,), -1, device="cpu").index_fill(0, order[:COMPONENTS], 0)
    numbers[numbers == 0] = torch.arange(min(size, COMPONENTS), device="cpu")
    parts = [_parts(a, e, numbers) for a, e in zip(experts, gaussians, strict=True)]
    angles = _angles()
    speeds, precision = speed(angles, parts, size)
    length = torch.cumulative_trapezoid(speeds, angles).numpy()
    chosen = np.interp(np.linspace(0, length[-1], steps + 1), [0, *length], angles)
    widths = np.interp(chosen, angles, 1 / precision)
    return Schedule(chosen.tolist(), [1.0, *(widths[1:] / widths[:-1]).tolist()])


def speed(
    angles: Float[Tensor, " angles"], parts: Sequence[MixturePart], size: int
) -> tuple[Float[Tensor, " angles"], Float[Tensor, " angles"]]:
    """How much of the path lies in an angle, and the mean precision there.

    A typical part of the product is a Gaussian of precision P = sum_i w_i / (alpha^2 v_i +
    sigma^2). A move adds to a log-weight a variance that goes with the square of its length, in
    each component the sum of

        (P' / P)^2 / 2 + m^2 sigma^2 P: Fisher and Rao's length, m^2 the variance between parts,
        a^2 / 2 + b^2 P: the mismatch that remains after a move, which depends on W alone: in the
        precision a = P' / P + 2 (W - P) sigma / alpha, in the mean b = mu' - W mu sigma / alpha.

    One is added to their sum: where all of this vanishes, angles themselves are even.
    """
    alpha, sigma = angles.sin()[:, None], angles.cos()[:, None]
    count = min(size, COMPONENTS)
    precision, slope, pull, rise = angles.new_zeros(4, len(angles), count)
    between, total = angles.new_zeros(2, count)
    for part in parts:
        i, w, v = part.places, part.exponent, part.variance
        noised = alpha**2 * v + sigma**2
        share, growth = w / noised, 2 * alpha * sigma * (1 - v) / noised
        precision[:, i] += share
        slope[:, i] += share * growth
        pull[:, i] += share * alpha * part.mean
        rise[:, i] += share * (sigma + alpha * growth) * part.mean
        between[i] = torch.maximum(between[i], part.between)
        total[i] += w
    slope = torch.where(precision > 1e-6, slope, 0.0)
    precision = precision.clamp(min=1e-6)
    mean = pull / precision
    away = slope / precision + 2 * (total - precision) * sigma / alpha
    drift = (rise - slope * mean) / precision - total * mean * sigma / alpha
    squares = 0.5 * (slope / precision) ** 2 + between * sigma**2 * precision
    squares = squares + 0.5 * away**2 + drift**2 * precision
    return (1 + size * squares.mean(1)).sqrt(), precision.mean(1)


def _parts(factor: ExpertFactor, expert: Gaussians, numbers: Int[Tensor, " D"]) -> MixturePart:
    """Of an expert.

    Args:
        numbers: for every component its number among those that are looked at, or -1.
    """
    part = factor.part if isinstance(factor.part, slice) else factor.part.cpu()
    places = numbers[part]
    chosen = places >= 0
    shares = expert.log_weights.double().exp().cpu()[:, None]
    variances = expert.variances.cpu()
    if expert.axes is None:
        variances = variances[:, chosen]
    else:
        variances = variances.amin(1, keepdim=True).expand(-1, int(chosen.sum()))
    means = expert.means.cpu()[:, chosen].double()
    mean = (shares * means).sum(0)
    w = torch.as_tensor(factor.exponent, dtype=torch.float64, device="cpu").expand(len(chosen))
    return MixturePart(
        places[chosen],
        w[chosen],
        (shares * variances.double().log()).sum(0).exp(),
        mean,
        (shares * (means - mean).square()).sum(0),
    )


def _angles() -> Float[Tensor, " angles"]:
    """Where the length is measured: evenly, and more closely towards both ends."""
    first, right = math.asin(ALPHA_MIN), math.pi / 2
    evenly_spaced = np.linspace(first, right, 150)
    early = first * (right / first) ** np.linspace(0, 1, 80)
    late = right - np.geomspace(1e-6, right - first, 150)
    angles = np.unique(np.concatenate([evenly_spaced, early, late]).clip(first, right))
    return torch.from_numpy(angles)
