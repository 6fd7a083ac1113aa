"""Vectors and matrices whose sizes come with data: `range`, `linspace`, `zeros` and the like."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.compiler.functions.constants import MOST_NUMBERS
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError


class EmptyRange(PoeError):
    """A range of no numbers, which a loop may run over and no vector may be."""


def range_of(
    start: Float[Tensor, " 1"], stop: Tensor | None = None, step: Tensor | None = None
) -> Float[Tensor, "1 n"]:
    """Whole numbers, as Python's `range` has them.

    Raises:
        EmptyRange: there are none.
        PoeError: there are too many.
    """
    first, last = (0, whole(start)) if stop is None else (whole(start), whole(stop))
    by = 1 if step is None else whole(step)
    numbers = range(first, last, by) if by else range(0)
    if not numbers:
        message = f"`range`: there is no number from {first} to before {last}"
        raise EmptyRange((Diagnostic("P0306", message),))
    limited(len(numbers))
    return torch.arange(
        first, first + by * len(numbers), by, dtype=start.dtype, device=start.device
    )[None]


def linspace(start: Tensor, stop: Tensor, count: Tensor) -> Float[Tensor, "1 n"]:
    """Evenly spaced numbers, both ends among them."""
    (size,) = sizes_of(count)
    return torch.linspace(float(start), float(stop), size, dtype=start.dtype, device=start.device)[
        None
    ]


def identity(size: Tensor) -> Float[Tensor, "1 n n"]:
    """The identity matrix."""
    n, _ = sizes_of(size, size)
    return torch.eye(n, dtype=size.dtype, device=size.device)[None]


def zeros(rows: Tensor, columns: Tensor | None = None) -> Float[Tensor, "1 *sizes"]:
    """A vector or a matrix of zeros."""
    sizes = sizes_of(rows) if columns is None else sizes_of(rows, columns)
    return torch.zeros(1, *sizes, dtype=rows.dtype, device=rows.device)


def ones(rows: Tensor, columns: Tensor | None = None) -> Float[Tensor, "1 *sizes"]:
    """A vector or a matrix of ones."""
    return zeros(rows, columns) + 1


def whole(number: Tensor) -> int:
    """A whole number that has one value for all particles."""
    return round(float(number))


def sizes_of(*counts: Tensor) -> tuple[int, ...]:
    """Sizes of a tensor, each at least one.

    Raises:
        PoeError: one is less, or there are too many numbers.
    """
    sizes = tuple(map(whole, counts))
    if min(sizes) < 1:
        raise _refused("P0309", f"a size is at least 1, and this is {min(sizes)}")
    total = 1
    for size in sizes:
        total *= size
    limited(total)
    return sizes


def limited(count: int) -> None:
    """Refuse more numbers than one constant has."""
    if count > MOST_NUMBERS:
        message = f"{count:,} numbers are too many: a vector has at most {MOST_NUMBERS:,}"
        raise _refused("P0306", message)


def _refused(code: str, message: str) -> PoeError:
    return PoeError((Diagnostic(code, message),))
