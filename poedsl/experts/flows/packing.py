"""Latents as the tokens of a transformer: patches of 2 x 2, and where each of them stands."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def pack(z: Float[Tensor, "L c h w"]) -> Float[Tensor, "L N k"]:
    """Patches of 2 x 2 latents as tokens, row by row; k = 4 c."""
    return F.pixel_unshuffle(z, 2).flatten(2).transpose(1, 2)


def unpack(tokens: Float[Tensor, "L N k"], h: int, w: int) -> Float[Tensor, "L c h w"]:
    return F.pixel_shuffle(tokens.transpose(1, 2).reshape(len(tokens), -1, h // 2, w // 2), 2)


def positions(h: int, w: int, image: int = 0) -> Float[Tensor, "N 3"]:
    """The position of each token: the number of its image, its row and its column."""
    down, across = (torch.arange(n // 2, device="cpu") for n in (h, w))
    rows, columns = torch.meshgrid(down, across, indexing="ij")
    return torch.stack([torch.full_like(rows, image), rows, columns], -1).reshape(-1, 3).float()
