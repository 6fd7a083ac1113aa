"""Distances as the depths that experts take."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

#: Distances that differ by less, as a share, are those of one plane: depth buffers round them.
_FLAT = 1e-4


def relative_inverse(distances: Float[Tensor, "F H W"]) -> Float[Tensor, "F H W"]:
    """Relative inverse depth in [0, 1]: 1 for the nearest point of all frames, 0 for the farthest.

    Where nothing is, at an infinite distance or one that is not above zero, it is 0, and 0 then is
    infinitely far.
    """
    distances = distances.float()
    there = torch.isfinite(distances) & (distances > 0)
    if not bool(there.any()):
        return torch.zeros_like(distances)
    inverse = torch.where(there, 1 / distances.where(there, torch.ones(())), 0.0)
    low, high = inverse.min(), inverse.max()
    if float(high - low) <= _FLAT * float(high):
        return torch.ones_like(inverse)
    return (inverse - low) / (high - low)
