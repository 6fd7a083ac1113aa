"""Resampling: weights and uniforms in, ancestors out."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def effective_size(log_weights: Float[Tensor, "*S n"]) -> Float[Tensor, "*S"]:
    """ESS of each population: (sum w)^2 / sum w^2; 0 where all weights are zero."""
    logs = log_weights.double()
    size = (2 * torch.logsumexp(logs, -1) - torch.logsumexp(2 * logs, -1)).exp()
    return size.nan_to_num(nan=0.0)


def systematic(
    log_weights: Float[Tensor, "S n"], uniform: Float[Tensor, " S"]
) -> Int[Tensor, "S n"]:
    """One uniform for a population, evenly spread (Carpenter et al. 1999): n w_i copies, rounded
    up or down.
    """
    n = log_weights.shape[-1]
    weights = torch.softmax(log_weights.double(), -1)
    total = weights.cumsum(-1)
    total = total / total[:, -1:]
    points = (torch.arange(n, device=weights.device) + uniform[:, None]) / n
    return torch.searchsorted(total, points, right=True).clamp(max=n - 1)
