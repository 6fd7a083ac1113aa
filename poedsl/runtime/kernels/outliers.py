"""Limits beyond which few particles, far out, would dominate the moments of a population."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

#: The middle 95 % of a normal distribution, in standard deviations, and how many of these about
#: the median are within the limits.
MIDDLE, WITHIN = 3.92, 4.0


def limits(
    x: Float[Tensor, "n C"], weights: Float[Tensor, " n"]
) -> tuple[Float[Tensor, " C"], Float[Tensor, " C"]]:
    """Four spreads below and above the median of each column, where a spread is the distance
    between the weighted quantiles 0.025 and 0.975 over that of a normal distribution. Infinite
    where most rows are alike.

    Of a normal distribution 6e-5 are outside, and its moments are as before; those of a Cauchy
    distribution, which has none, become finite.
    """
    ordered, order = x.sort(0)
    total = weights[order].double().cumsum(0)
    total = total / total[-1].clamp(min=torch.finfo(total.dtype).tiny)
    levels = total.new_tensor([0.025, 0.5, 0.975]).expand(x.shape[1], 3).contiguous()
    rows = torch.searchsorted(total.T.contiguous(), levels).clamp(max=len(x) - 1)
    low, middle, high = ordered.gather(0, rows.T)
    reach = WITHIN * (high - low) / MIDDLE
    reach = torch.where((reach > 0) & reach.isfinite(), reach, torch.inf)
    return middle - reach, middle + reach
