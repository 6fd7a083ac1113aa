"""Indices, slices and fractions of one axis, as Python takes them."""

from __future__ import annotations

from collections.abc import Iterable

from poedsl.compiler.plan.terms import Apply, Const, Term
from poedsl.grammar.box_geometry import pixel_range
from poedsl.runtime.terms.environment import Environment as Environment


def pixels(size: int, first: float, last: float) -> slice:
    """The pixels between two fractions.

    Raises:
        ValueError: there are none.
    """
    cut = slice(*pixel_range(size, first, last))
    if cut.start == cut.stop:
        raise ValueError(f"a box from {first:g} to {last:g} holds none of {size} pixels")
    return cut


class OutOfRange(ValueError):
    """An index or a bound that an axis does not have."""


def of_axis(item: Term, size: int) -> slice | int:
    """The index or the slice that a constant or a slice of constants stands for.

    Raises:
        OutOfRange: it is outside of the axis, or empty.
    """
    if isinstance(item, Apply) and item.function == "slice":
        return stretch(item.args, size, "elements")
    assert isinstance(item, Const) and isinstance(item.value, int)
    if not -size <= item.value < size:
        raise OutOfRange(f"the index {item.value} is outside of 0 to {size - 1}")
    return item.value


def stretch(ends: Iterable[Term], size: int, noun: str) -> slice:
    """The slice between two ends, which may be left out.

    Raises:
        OutOfRange: an end is outside of the axis, or nothing is between them.
    """
    start, stop = (
        e.value if isinstance(e, Const) and isinstance(e.value, int) else None for e in ends
    )
    for end in (start, stop):
        if end is not None and not -size <= end <= size:
            raise OutOfRange(f"the end {end} is outside of 0 to {size}")
    if not range(size)[start:stop]:
        raise OutOfRange(f"there are no {noun} from {start} to before {stop}")
    return slice(start, stop)
