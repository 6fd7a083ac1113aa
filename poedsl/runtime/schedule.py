"""Where the stages of a path of Gaussians stand: in even steps of its length."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.experts.densities import Gaussians
from poedsl.runtime.path import ALPHA_MIN, Schedule
from poedsl.runtime.target import Anchor

#: The most components along which the length is measured.
COMPONENTS = 4096


def even(anchors: Sequence[Anchor], size: int, steps: int) -> Schedule | None:
    """Of ``steps`` moves; None where an expert is no Gaussian.

    The narrowest parts of the experts make a part of their product, a Gaussian whose precision is
    P = sum_i w_i / (alpha^2 v_i + sigma^2) and whose mean is alpha m. Neighbours of such a family
    are (m'^2 P + (P' / P)^2 / 2)^(1/2) times their step apart (Fisher and Rao's length), and the
    variance of what a move adds to the log-weights goes with the square of that, so that it is
    least where all moves are equally long. One is added to the mean square over the components:
    experts as wide as the noise leave the angles themselves even.
    """
    angles = _angles()
    alpha, sigma = angles.sin()[:, None], angles.cos()[:, None]
    seen = torch.arange(0, size, math.ceil(size / COMPONENTS))
    precision, slope = torch.zeros(2, len(angles), len(seen), dtype=torch.float64)
    spread, total = torch.zeros(2, len(seen), dtype=torch.float64)
    for anchor in anchors:
        if not isinstance(anchor.expert, Gaussians):
            return None
        w, variance, between = _parts(anchor, anchor.expert, size)[:, seen]
        noised = alpha**2 * variance + sigma**2
        total += w
        precision += w / noised
        slope += 2 * w * alpha * sigma * (1 - variance) / noised**2
        spread = torch.maximum(spread, between)
    precision = precision.clamp(min=1e-6)
    away = slope / precision + 2 * (total - precision) * sigma / alpha
    squares = spread * sigma**2 * precision + 0.5 * (slope / precision) ** 2 + 0.5 * away**2
    speed = (1 + squares.mean(1)).sqrt()
    length = torch.cumulative_trapezoid(speed, angles).numpy()
    chosen = np.interp(np.linspace(0, length[-1], steps + 1), [0, *length], angles)
    widths = np.interp(chosen, angles, 1 / precision.mean(1))
    return Schedule(chosen.tolist(), [1.0, *(widths[1:] / widths[:-1]).tolist()])


def _angles() -> Float[Tensor, " angles"]:
    """Where the length is measured: evenly, and more closely towards both ends."""
    first, right = math.asin(ALPHA_MIN), math.pi / 2
    near = np.geomspace(1e-6, right - first, 200)
    steps = first * (right / first) ** np.linspace(0, 1, 100)
    every = np.concatenate([np.linspace(first, right, 200), steps, right - near])
    return torch.tensor(np.unique(every.clip(first, right)))


def _parts(anchor: Anchor, expert: Gaussians, size: int) -> Float[Tensor, "3 {size}"]:
    """Along the components, where it sees them: the exponent, the variance of the narrowest part
    of a mixture, or of the widest one where it divides, and the variance of the means of all.
    """
    variances = expert.variances.double()
    narrow, wide = variances.amin(0), variances.amax(0)
    if expert.axes is not None:
        narrow, wide = narrow.min().expand_as(narrow), wide.max().expand_as(wide)
    means, shares = expert.means.double(), expert.log_weights.double().exp()[:, None]
    between = (shares * (means - (shares * means).sum(0)).square()).sum(0)
    w = torch.as_tensor(anchor.exponent, dtype=torch.float64, device=narrow.device)
    own = torch.stack([w.expand_as(narrow), torch.where(w > 0, narrow, wide), between])
    out = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64)[:, None].repeat(1, size)
    part = anchor.part if isinstance(anchor.part, slice) else anchor.part.cpu()
    out[:, part] = own.cpu()
    return out
