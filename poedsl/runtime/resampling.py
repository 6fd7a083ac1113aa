"""Resampling: weights and uniforms in, ancestors out."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor


def effective_size(log_weights: Float[Tensor, "*S n"]) -> Float[Tensor, "*S"]:
    """ESS of each population: (sum w)^2 / sum w^2; 0 where all weights are zero."""
    return spread(log_weights)[0]


def spread(log_weights: Float[Tensor, "*S n"]) -> tuple[Float[Tensor, "*S"], Float[Tensor, "*S"]]:
    """ESS of each population, and the log of its mean weight."""
    highest = log_weights.amax(-1, keepdim=True).double()
    shares = (log_weights - highest).exp_()
    total = shares.sum(-1)
    size = (total.square() / shares.square_().sum(-1)).nan_to_num(nan=0.0)
    level = total.log() + highest[..., 0] - math.log(log_weights.shape[-1])
    return size, level.nan_to_num(nan=-math.inf)


def systematic(
    log_weights: Float[Tensor, "S n"], uniform: Float[Tensor, " S"], count: int | None = None
) -> Int[Tensor, "S drawn"]:
    """One uniform for a population, evenly spread (Carpenter et al. 1999).

    Each particle gets ``count`` times its share of copies, rounded up or down; as many are drawn
    as there are particles where ``count`` is left out.
    """
    n = log_weights.shape[-1]
    drawn = n if count is None else count
    total = torch.softmax(log_weights.double(), -1).cumsum(-1)
    total = total / total[:, -1:]
    points = (torch.arange(drawn, device=total.device) + uniform[:, None]) / drawn
    return torch.searchsorted(total, points, right=True).clamp(max=n - 1)
