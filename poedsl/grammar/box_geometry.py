"""Geometry of boxes: left, top, right and bottom in fractions of width and height."""

from __future__ import annotations

from collections.abc import Iterable

#: Left, top, right and bottom, in fractions of width and height.
Box = tuple[float, float, float, float]


def as_box(sides: Iterable[float]) -> Box | None:
    """The box with these sides, or None where they are not four fractions in order."""
    match tuple(sides):
        case (left, top, right, bottom):
            in_order = 0 <= left < right <= 1 and 0 <= top < bottom <= 1
            return (left, top, right, bottom) if in_order else None
        case _:
            return None


def pixel_range(size: int, first: float, last: float) -> tuple[int, int]:
    """The pixels of a side of ``size`` pixels between two fractions: first, and one past the last.

    They are empty where the two round to the same pixel.
    """
    return round(first * size), round(last * size)
