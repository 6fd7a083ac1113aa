"""Indices that come with the data or with the elements of a loop."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from poedsl.compiler.plan.terms import Term
from poedsl.compiler.plan.text import print_term
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError
from poedsl.runtime.terms.functions import aligned


class BoundsCheckedIndices(torch.autograd.Function):
    """Indices as they are, which lie inside of a size.

    Under `torch.func.vmap` the values are those of all elements of a loop together.
    """

    @staticmethod
    def forward(index: Tensor, size: int, term: Term) -> Tensor:
        outside = (index < 0) | (index >= size)
        if bool(outside.any()):
            raise out_of_range(index, size, term, outside)
        return index.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return None, None, None

    @staticmethod
    def vmap(info: Any, in_dims: Any, index: Tensor, size: int, term: Term) -> Any:
        return checked(index, size, term), in_dims[0]


def checked(index: Tensor, size: int, term: Term) -> Tensor:
    """Indices as they are.

    Raises:
        PoeError: one is outside of the size.
    """
    out: Tensor = BoundsCheckedIndices.apply(index, size, term)  # type: ignore[no-untyped-call]
    return out


def out_of_range(index: Tensor, size: int, term: Term, outside: Tensor) -> PoeError:
    """An error that names the first index outside of a size, and where it is."""
    first = tuple(int(i) for i in outside.nonzero()[0])
    row = ", ".join(map(str, first))
    where = f", in row {row} of `{print_term(term)}`," if row else f" of `{print_term(term)}`"
    message = f"the index {int(index[first])}{where} is outside of 0 to {size - 1}"
    least, most = int(index.min()), int(index.max())
    notes = (f"they are from {least} to {most}",)
    if least == 1 and most == size:
        notes = (f"{notes[0]}, and indices begin at 0: write `{print_term(term)} - 1`",)
    return PoeError((Diagnostic("P0305", message, notes=notes),))


def gathered(value: Tensor, indices: list[tuple[int, Tensor, Term]], at: int) -> Tensor:
    """What vectors of indices select, with the sizes that they share at one place.

    Args:
        value: with a row for each particle, or one for all, in front.
        indices: for each, the dimension that it indexes, its values and its term.
        at: the dimension of the result at which the shared sizes stand.
    """
    moved = value.movedim([d for d, _, _ in indices], list(range(1, len(indices) + 1)))
    every = aligned([index.long() for _, index, _ in indices])
    shared = torch.broadcast_shapes(*(index.shape[1:] for index in every))  # type: ignore[no-untyped-call]
    if all(len(index) == 1 for index in every):
        inside = [
            checked(index[0], moved.shape[i + 1], indices[i][2]) for i, index in enumerate(every)
        ]
        out = moved[(slice(None), *inside)]  # type: ignore[index]
    else:
        out = _of_particles(moved, every)
    last = len(shared)
    return out.movedim(list(range(1, last + 1)), list(range(at, at + last)))


def _of_particles(moved: Tensor, indices: list[Tensor]) -> Tensor:
    """What the particles' own indices select; nan where one of them is outside."""
    rows = max(len(moved), *(len(index) for index in indices))
    rank = max(index.dim() for index in indices)
    numbers = torch.arange(rows, device=moved.device).view(rows, *(1,) * (rank - 1))
    inside = [(index >= 0) & (index < moved.shape[i + 1]) for i, index in enumerate(indices)]
    within = [index.clamp(0, moved.shape[i + 1] - 1) for i, index in enumerate(indices)]
    out = moved.expand(rows, *moved.shape[1:])[(numbers, *within)]
    valid = torch.stack(torch.broadcast_tensors(*inside)).all(0)  # type: ignore[no-untyped-call]
    return torch.where(valid.view(*valid.shape, *(1,) * (out.dim() - valid.dim())), out, torch.nan)
