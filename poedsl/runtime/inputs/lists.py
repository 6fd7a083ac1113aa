"""Faults in nested lists of values, by their indices."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any


def indices(path: tuple[int, ...]) -> str:
    """Indices as a program writes them: ``[2, 0]``; empty for a value alone."""
    return f"[{', '.join(map(str, path))}]" if path else ""


def first(
    value: object, holds: Callable[[object], bool], path: tuple[int, ...] = ()
) -> tuple[tuple[int, ...], object] | None:
    """The first value in nested lists of which something holds, with its indices."""
    if not isinstance(value, tuple):
        return (path, value) if holds(value) else None
    nested = (first(item, holds, (*path, i)) for i, item in enumerate(value))
    return next((f for f in nested if f is not None), None)


def is_missing(value: object) -> bool:
    """Whether a value of JSON or Python stands for one that is missing: none, or not a number."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def uneven(value: object, path: tuple[int, ...] = ()) -> str:
    """Two rows of nested lists that differ in length, in words; empty if there are none."""
    if not isinstance(value, tuple):
        return ""
    lengths = [len(item) if isinstance(item, tuple) else None for item in value]
    other = next((i for i, n in enumerate(lengths) if n != lengths[0]), None)
    if other is not None:
        sides = [
            f"{indices((*path, i))} is a single value"
            if lengths[i] is None
            else f"{indices((*path, i))} has {lengths[i]} elements"
            for i in (0, other)
        ]
        return " and ".join(sides)
    return next((text for i, item in enumerate(value) if (text := uneven(item, (*path, i)))), "")


def first_place(places: Any) -> str:
    """The first of some places, as indices, and how many there are."""
    if not places.ndim:
        return ""
    indices_of_places = [tuple(map(int, place)) for place in zip(*places.nonzero(), strict=True)]
    more = f", and {len(indices_of_places) - 1} more" if len(indices_of_places) > 1 else ""
    return (
        f", at {indices(indices_of_places[0])}{more}"
        if indices_of_places and indices_of_places[0]
        else ""
    )
