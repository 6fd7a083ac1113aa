"""Parts of variables as components of a run."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

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


@dataclass(frozen=True, slots=True)
class PlacedFactor:
    """A generative factor on the components that it sees; a mask has an exponent for each."""

    factor: FactorSpec
    part: Part
    exponent: float | Float[Tensor, " d"]


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


def _latents(at: tuple[slice | int, ...], space: Space, name: str) -> tuple[slice, slice, slice]:
    """A box of pixels as one of latents."""
    decoded_shape, factor = space.decoded_shape(name), space.codecs[name].factor
    every = slice(None)
    channels, rows, columns = (*at, every, every)[:3]
    whole = isinstance(channels, slice) and channels.indices(3) == (0, 3, 1)
    if not whole or not isinstance(rows, slice) or not isinstance(columns, slice):
        raise ValueError("it is sampled as latents, whose parts are boxes, `x[box(...)]`")
    cut = (
        snapped(slice(*stretch.indices(size)[:2]), size, factor)
        for stretch, size in ((rows, decoded_shape[1]), (columns, decoded_shape[2]))
    )
    return every, *cut  # type: ignore[return-value]


def snapped(pixels: slice, size: int, factor: int) -> slice:
    """A stretch of pixels as one of latents, from patch to patch, at least one.

    Args:
        size: pixels of the whole.
    """
    unit = PATCH * factor
    first = min(round(pixels.start / unit), size // unit - 1)
    last = max(round(pixels.stop / unit), first + 1)
    return slice(PATCH * first, PATCH * last)
