"""Parts of variables as components of a run."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from poedsl.compiler.plan import FactorSpec
from poedsl.compiler.terms import Apply
from poedsl.runtime.evaluate import Environment, selection
from poedsl.runtime.refused import refused
from poedsl.runtime.space import Space


@dataclass(frozen=True, slots=True)
class Part:
    """Where a part's components stand, and its shape; a slice where they stand together."""

    index: slice | Int[Tensor, " d"]
    shape: tuple[int, ...]


def locate(factor: FactorSpec, space: Space, env: Environment) -> Part:
    """What a factor sees of its variable.

    Raises:
        PoeError: the part is not inside of it.
    """
    name = factor.variables[0]
    whole, shape = space.slice(name), space.shapes[name]
    if factor.part is None:
        return Part(whole, shape)
    assert isinstance(factor.part, Apply)
    numbers = torch.arange(whole.start, whole.stop, device=space.loc.device).view(shape)
    try:
        chosen = numbers[selection(factor.part.args[1:], shape, env)]
    except (ValueError, IndexError) as error:
        raise refused("P0603", f"a part of `{name}` is not there: {error}", factor=factor) from None
    flat = chosen.flatten()
    first, last = int(flat[0]), int(flat[-1])
    together = last - first + 1 == len(flat)
    return Part(slice(first, last + 1) if together else flat, tuple(chosen.shape))
