"""Arguments of the Python interface that are not what they should be, told in a line."""

from __future__ import annotations

import operator


def whole(name: str, value: object, least: int | None = None) -> int:
    """A whole number, of Python or of a library.

    Raises:
        TypeError: it is none.
        ValueError: it is below the least.
    """
    told = "a whole number" if least is None else f"a whole number of at least {least}"
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"`{name}` is {told}, and this is {kind(value)}")
    number = operator.index(value)
    if least is not None and number < least:
        raise ValueError(f"`{name}` is {told}, and this is {number}")
    return number


def text(name: str, value: object) -> str:
    """A text.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(value, str):
        raise TypeError(f"`{name}` is a text, and this is {kind(value)}")
    return value


def kind(value: object) -> str:
    """A value in few words."""
    if value is None or isinstance(value, (bool, int, float)):
        return str(value)
    return f"a value of type {type(value).__name__}"
