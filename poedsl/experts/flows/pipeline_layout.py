"""How pipelines lay out the latents of a picture or a film: as they are, or packed into tokens."""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from poedsl.experts.loading.model_errors import evaluating, unfit

#: Attributes of pipelines of films for the patches of their network, in space and in time.
_PATCHES = ("transformer_spatial_patch_size", "transformer_temporal_patch_size")


@dataclass(frozen=True, slots=True)
class LatentLayout:
    """Points of a pipeline from latents (c, h, w), or (c, T, h, w) of films, and back.

    Attributes:
        shape: of a point of the pipeline. order: for each of its components the one of the latents
            that stands there, where they are packed; None where they stand as they are.
    """

    latents: tuple[int, ...]
    shape: tuple[int, ...]
    order: Int[Tensor, " D"] | None = None

    def packed(self, z: Float[Tensor, "L *latents"]) -> Tensor:
        flat = z.flatten(1)
        flat = flat if self.order is None else flat[:, self.order]
        return flat.view(-1, *self.shape)

    def unpacked(self, points: Tensor) -> Float[Tensor, "L *latents"]:
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
    if len(latents) == 4:
        return _of_films(pipe, folder, latents, device)
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


def _of_films(
    pipe: Any, folder: str, latents: tuple[int, ...], device: torch.device
) -> list[LatentLayout]:
    """The layout in which a pipeline holds latents (c, T, h, w) of films: packed into tokens of the
    patches that its network takes, where it packs them, else as they are.

    There is one, since the call of a pipeline that packs them would decode others too.

    Raises:
        PoeError: it packs other latents (P0206).
    """
    pack = getattr(pipe, "_pack_latents", None)
    if pack is None:
        return [LatentLayout(latents, latents)]
    numbers = torch.arange(math.prod(latents), dtype=torch.long, device="cpu").view(1, *latents)
    with evaluating("", folder):
        sizes = [getattr(pipe, name) for name in _PATCHES]
        return [_ordered(latents, pack(numbers, *sizes), device)]


def _ordered(latents: tuple[int, ...], order: Tensor, device: torch.device) -> LatentLayout:
    return LatentLayout(latents, tuple(order.shape[1:]), order.flatten().to(device))


def layout(pipe: Any, folder: str, latents: tuple[int, ...], point: Tensor) -> LatentLayout:
    """The layout of a pipeline, by one of its points.

    Args:
        latents: (c, h, w), or (c, T, h, w). point: of one particle, (1, ...).

    Raises:
        PoeError: its points hold other latents (P0206).
    """
    shape = tuple(point.shape[1:])
    for candidate in layouts(pipe, folder, latents, point.device):
        if candidate.shape == shape:
            return candidate
    actual, expected = (" x ".join(map(str, s)) for s in (shape, latents))
    what = "picture" if len(latents) == 3 else "film"
    reason = f"its points are {actual}, and the latents of a {what} are {expected}"
    raise unfit("", folder, reason, f"a call that rounds sizes may take a {what} of another size")
