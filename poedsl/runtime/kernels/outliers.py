"""Limits beyond which few particles, far out, would dominate the moments of a population."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.runtime.core.quantiles import APART, MIDDLE, weighted_quantiles

#: How many spreads about the median are within the limits.
WITHIN = 4.0


def limits(
    x: Float[Tensor, "n C"], weights: Float[Tensor, " n"]
) -> tuple[Float[Tensor, " C"], Float[Tensor, " C"]]:
    """Four spreads below and above the median of each column, where a spread is the distance
    between the weighted quantiles 0.025 and 0.975 over that of a normal distribution. Infinite
    where most rows are alike.

    Of a normal distribution 6e-5 are outside, and its moments are as before; those of a Cauchy
    distribution, which has none, become finite.
    """
    shares = weights.double() / weights.double().sum()
    low, middle, high = weighted_quantiles(x, x.argsort(0), shares, MIDDLE)
    reach = WITHIN * (high - low) / APART
    reach = torch.where((reach > 0) & reach.isfinite(), reach, torch.inf)
    return middle - reach, middle + reach
