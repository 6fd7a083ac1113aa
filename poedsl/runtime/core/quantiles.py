"""Quantiles of weighted points, and the middle of a distribution by them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

#: The ends of the middle 95 % and the median, and how many standard deviations of a normal
#: distribution the ends lie apart.
MIDDLE, APART = (0.025, 0.5, 0.975), 3.92


def weighted_quantiles(
    x: Float[Tensor, "L C"],
    order: Int[Tensor, "L C"],
    weights: Float[Tensor, " L"],
    levels: Sequence[float],
) -> Float[Tensor, "Q C"]:
    """Quantiles under normalised weights, of each column: the first value with at least that much
    at it and below.
    """
    below = weights[order].cumsum(0)
    shares = torch.tensor(levels, dtype=below.dtype, device=below.device)
    index = torch.searchsorted(
        below.T.contiguous(), shares.expand(x.shape[1], -1).contiguous()
    ).clamp(max=len(x) - 1)
    return x.gather(0, order).gather(0, index.T)
