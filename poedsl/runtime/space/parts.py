"""Parts of variables as components of a run."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, adaptive_avg_pool3d

from poedsl.compiler.plan.plan_parts import FactorSpec
from poedsl.compiler.plan.terms import Apply
from poedsl.experts.flows.latents import PATCH
from poedsl.runtime.space.coordinates import Space
from poedsl.runtime.terms.evaluate import Environment, selection
from poedsl.runtime.terms.refusals import refused


@dataclass(frozen=True, slots=True)
class Part:
    """Where a part's components stand, and its shape; a slice where they stand together.

    Attributes:
        decoded_shape: its shape as people see it, where that is not the shape of its latents.
    """

    index: slice | Int[Tensor, " d"]
    shape: tuple[int, ...]
    decoded_shape: tuple[int, ...]


#: Of a factor; a mask has one for each component that the factor sees.
Exponent = float | Float[Tensor, " d"]


@dataclass(frozen=True, slots=True)
class PlacedFactor:
    """A factor on the components that it sees."""

    factor: FactorSpec
    part: Part
    exponent: Exponent


def locate(factor: FactorSpec, space: Space, env: Environment) -> Part:
    """What a factor sees of its variable.

    Raises:
        PoeError: the part is not inside of it.
    """
    name = factor.variables[0]
    columns, shape, decoded_shape = space.slice(name), space.shapes[name], space.decoded_shape(name)
    if factor.part is None:
        return Part(columns, shape, decoded_shape)
    assert isinstance(factor.part, Apply)
    numbers = torch.arange(columns.start, columns.stop, device=space.loc.device).view(shape)
    try:
        at = selection(factor.part.args[1:], decoded_shape, env)
        selected_shape = torch.empty(decoded_shape, dtype=torch.bool, device="meta")[at].shape
        chosen = numbers[_latents(at, space, name) if name in space.codecs else at]
    except (ValueError, IndexError) as error:
        raise refused("P0603", f"a part of `{name}` is not there: {error}", factor=factor) from None
    flat = chosen.flatten()
    first, last = int(flat[0]), int(flat[-1])
    together = last - first + 1 == len(flat)
    index = slice(first, last + 1) if together else flat
    return Part(index, tuple(chosen.shape), tuple(selected_shape))


def _latents(at: tuple[slice | int, ...], space: Space, name: str) -> tuple[slice, ...]:
    """A box of pixels, or frames, as one of latents."""
    decoded_shape, codec = space.decoded_shape(name), space.codecs[name]
    every = slice(None)
    full = (*at, *(every,) * 4)[: len(decoded_shape)]
    *frames, channels, rows, columns = full
    whole = isinstance(channels, slice) and channels.indices(3) == (0, 3, 1)
    if not whole or any(not isinstance(side, slice) for side in (*frames, rows, columns)):
        boxes = "boxes, `x[box(...)]`" + (", and frames, `x[frames(...)]`" if frames else "")
        raise ValueError(f"it is sampled as latents, whose parts are {boxes}")
    cut = (
        snapped(slice(*stretch.indices(size)[:2]), size, codec.factor)  # type: ignore[union-attr]
        for stretch, size in zip((rows, columns), decoded_shape[-2:], strict=True)
    )
    length = space.shapes[name][1]
    times = (
        snapped_frames(slice(*stretch.indices(decoded_shape[0])[:2]), length, codec.span)  # type: ignore[union-attr]
        for stretch in frames
    )
    return every, *times, *cut


def snapped(pixels: slice, size: int, factor: int) -> slice:
    """A stretch of pixels as one of latents, from patch to patch, at least one.

    Args:
        size: pixels of the whole.
    """
    unit = PATCH * factor
    first = min(round(pixels.start / unit), size // unit - 1)
    last = max(round(pixels.stop / unit), first + 1)
    return slice(PATCH * first, PATCH * last)


def snapped_frames(frames: slice, length: int, span: int) -> slice:
    """Frames as latents, at least one: the first frame has its own, others have one for ``span``
    frames, and each stretch begins and ends where the nearest latent does.

    Args:
        length: latents of the whole.
    """
    first, last = (
        0 if end <= 0 else 1 + round((end - 1) / span) for end in (frames.start, frames.stop)
    )
    first = min(first, length - 1)
    return slice(first, max(last, first + 1))


def in_latents(
    mask: Float[Tensor, "*decoded"], shape: tuple[int, ...], span: int
) -> Float[Tensor, "*shape"]:
    """A mask of pictures or films, the same in every channel, as one of latents: means of what each
    latent stands for, which is the first frame alone at the start of a film.

    Args:
        span: frames that a latent stands for.
    """
    if len(shape) == 3:
        return adaptive_avg_pool2d(mask[:1], shape[-2:]).expand(shape)
    _, times, h, w = shape
    frames = adaptive_avg_pool2d(mask[:, :1], (h, w))[:, 0]
    if len(frames) == span * (times - 1) + 1:
        groups = frames[1:].reshape(times - 1, span, h, w).mean(1)
        return torch.cat([frames[:1], groups]).expand(shape)
    return adaptive_avg_pool3d(frames[None], (times, h, w)).expand(shape)
