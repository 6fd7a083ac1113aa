"""How heavy the tails of weighted draws are: the shape of a generalised Pareto distribution."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

#: With fewer draws in a tail its shape is not estimated.
FEWEST = 20
#: Where the prior of Zhang and Stephens puts the shape and how many draws it counts as, as in
#: Vehtari et al. (2024), and its scale for the inverse end point.
PRIOR_SHAPE, PRIOR_DRAWS, PRIOR_SCALE = 0.5, 10, 3.0


def tail_shapes(x: Float[Tensor, "L C"], weights: Float[Tensor, " L"]) -> Float[Tensor, " C"]:
    """The shape k of the heavier tail of each column: moments of order 1 / k and above are
    infinite, so that above 1 there is no mean. NaN where a tail has too few draws, or no spread.

    The largest draws of a tail, min(L / 5, 3 sqrt(L)) of an ESS of L, are fitted as Vehtari et
    al. (2024, Journal of Machine Learning Research 25(72), section 3) fit importance ratios.

    Args:
        weights: normalised.
    """
    ess = float(1 / weights.square().sum())
    count = min(ess / 5, 3 * math.sqrt(ess))
    if count < FEWEST:
        return x.new_full((x.shape[1],), math.nan)
    share = count / ess
    shapes = [
        _upper_tail(side, weights, share, count) for column in x.T for side in (column, -column)
    ]
    return torch.stack(shapes).view(-1, 2).amax(1)


def _upper_tail(
    x: Float[Tensor, " L"], weights: Float[Tensor, " L"], share: float, count: float
) -> Float[Tensor, ""]:
    """The shape of the upper tail with that share of the weight (Zhang and Stephens 2009)."""
    ordered, order = x.sort(descending=True)
    above = weights[order].cumsum(0)
    size = int((above <= share).sum())
    excess, w = (ordered[:size] - ordered[size : size + 1]), weights[order][:size]
    used: Bool[Tensor, " n"] = excess > 0
    excess, w = excess[used], w[used]
    if len(excess) < FEWEST:
        return x.new_tensor(math.nan)
    w = w / w.sum()
    quartile = excess[(w.cumsum(0) <= 0.75).sum().clamp(max=len(excess) - 1)]
    grid = 30 + int(math.sqrt(count))
    j = torch.arange(1, grid + 1, dtype=x.dtype, device=x.device)
    ends = 1 / excess[0] + (1 - (grid / (j - 0.5)).sqrt()) / (PRIOR_SCALE * quartile)
    shape = torch.log1p(-ends[:, None] * excess) @ w
    profile = count * ((-ends / shape).log() - shape - 1)
    end = ends @ profile.softmax(0)
    fitted = torch.log1p(-end * excess) @ w
    return (count * fitted + PRIOR_DRAWS * PRIOR_SHAPE) / (count + PRIOR_DRAWS)
