"""Rewards on the path: as far as the endpoint of a particle is known there."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

#: Rewards and their slopes are kept within this on the path.
LIMIT = 1e9


def softened(
    value: Float[Tensor, " L"], blur: Float[Tensor, " L"]
) -> tuple[Float[Tensor, " L"], Float[Tensor, " L"]]:
    """Rewards r as r |r| / (|r| + blur), zero where they are not finite, and d of that / dr."""
    finite = torch.isfinite(value)
    value = torch.where(finite, value, 0.0).clamp(-LIMIT, LIMIT)
    size = value.abs() + blur.clamp(min=1e-12)
    rate = value.abs() * (value.abs() + 2 * blur) / size.square()
    return value * value.abs() / size, torch.where(finite, rate, 0.0)
