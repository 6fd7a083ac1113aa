"""How pipelines lay out the latents of a picture: as they are, or packed into tokens."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from poedsl.experts.loading.model_errors import evaluating, unfit


@dataclass(frozen=True, slots=True)
class LatentLayout:
    """Points of a pipeline from latents (c, h, w), and back.

    Attributes:
        shape: of a point of the pipeline. order: for each of its components the one of the latents
            that stands there, where they are packed; None where they stand as they are.
    """

    latents: tuple[int, ...]
    shape: tuple[int, ...]
    order: Int[Tensor, " D"] | None = None

    def packed(self, z: Float[Tensor, "L c h w"]) -> Tensor:
        flat = z.flatten(1)
        flat = flat if self.order is None else flat[:, self.order]
        return flat.view(-1, *self.shape)

    def unpacked(self, points: Tensor) -> Float[Tensor, "L c h w"]:
        flat = points.flatten(1)
        if self.order is not None:
            flat = torch.empty_like(flat).index_copy(1, self.order, flat)
        return flat.view(-1, *self.latents)


def layouts(
    pipe: Any, folder: str, latents: tuple[int, ...], device: torch.device
) -> list[LatentLayout]:
    """The layouts in which a pipeline may hold latents (c, h, w): as they are, or in patches of
    2 x 2 where its network takes those, and packed into tokens.

    Raises:
        PoeError: it packs other latents (P0206).
    """
    c, h, w = latents
    candidates = [LatentLayout(latents, shape) for shape in (latents, (1, c, h, w), (c, 1, h, w))]
    numbers = torch.arange(c * h * w, dtype=torch.long, device="cpu").view(1, c, h, w)
    with evaluating("", folder):
        if (patchify := getattr(pipe, "_patchify_latents", None)) is not None:
            numbers = patchify(numbers)
            candidates = [_ordered(latents, numbers, device)]
        if (pack := getattr(pipe, "_pack_latents", None)) is not None:
            sizes = numbers.shape[: len(inspect.signature(pack).parameters) - 1]
            candidates.append(_ordered(latents, pack(numbers, *sizes), device))
    return candidates


def _ordered(latents: tuple[int, ...], order: Tensor, device: torch.device) -> LatentLayout:
    return LatentLayout(latents, tuple(order.shape[1:]), order.flatten().to(device))


def layout(pipe: Any, folder: str, latents: tuple[int, ...], point: Tensor) -> LatentLayout:
    """The layout of a pipeline, by one of its points.

    Args:
        latents: (c, h, w). point: of one particle, (1, ...).

    Raises:
        PoeError: its points hold other latents (P0206).
    """
    shape = tuple(point.shape[1:])
    for candidate in layouts(pipe, folder, latents, point.device):
        if candidate.shape == shape:
            return candidate
    actual, expected = (" x ".join(map(str, s)) for s in (shape, latents))
    reason = f"its points are {actual}, and the latents of a picture are {expected}"
    raise unfit("", folder, reason, "a call that rounds sizes may take a picture of another size")
