"""Layouts: parts of a picture, each with a box and a text.

A plan keeps a part as ((left, top, right, bottom), text); a run as a record with ``box`` and
``text``.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from poedsl.compiler.plan.terms import Apply, Const, Term
from poedsl.grammar.box_geometry import Box, as_box

Layout = tuple[tuple[Box, str], ...]


def read_layout(value: Any) -> Layout:
    """A layout from plain data: `[{"box": [l, t, r, b], "text": "..."}]`, or as a plan keeps it.

    Raises:
        ValueError: which part is wrong, and how.
    """
    if isinstance(value, (str, Mapping)) or not isinstance(value, (list, tuple)):
        raise ValueError("a layout is a list of parts")
    return tuple(_part(item, number) for number, item in enumerate(value))


def _part(item: Any, number: int) -> tuple[Box, str]:
    if isinstance(item, Mapping):
        if unknown := sorted(map(str, set(item) - {"box", "text"})):
            raise ValueError(f"part {number} has `{unknown[0]}`; parts have `box` and `text`")
        if missing := [k for k in ("box", "text") if k not in item]:
            raise ValueError(f"part {number} has no `{missing[0]}`")
        box, text = item["box"], item["text"]
    elif isinstance(item, (list, tuple)) and len(item) == 2:
        box, text = item
    else:
        raise ValueError(f"part {number} is no record of a `box` and a `text`")
    if not isinstance(text, str):
        raise ValueError(f"the text of part {number} is no text: {reprlib.repr(text)}")
    if not is_unicode(text):
        raise ValueError(f"the text of part {number} has half of a surrogate pair")
    try:
        return read_box(box), text
    except ValueError as error:
        raise ValueError(f"the box of part {number} {error}") from None


def is_unicode(text: str) -> bool:
    """Whether a text can be written: it has no halves of surrogate pairs."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def read_box(value: Any) -> Box:
    """Left, top, right and bottom.

    Raises:
        ValueError: they are not four fractions in order.
    """
    numbers = isinstance(value, (list, tuple)) and all(
        isinstance(v, (int, float)) and not isinstance(v, bool) for v in value
    )
    with suppress(OverflowError):
        box = as_box(map(float, value)) if numbers else None
        if box is not None:
            return box
    raise ValueError(
        "is [left, top, right, bottom] in fractions of width and height, "
        f"0 <= left < right <= 1 and 0 <= top < bottom <= 1, and this is {reprlib.repr(value)}"
    )


def elements(layout: Layout) -> list[dict[str, Term]]:
    """What stands for the box and the text of each part of a layout that a plan keeps."""
    return [
        {"box": Apply("box", tuple(Const(side) for side in box)), "text": Const(text)}
        for box, text in read_layout(layout)
    ]
