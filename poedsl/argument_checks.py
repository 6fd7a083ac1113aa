"""Checks of the arguments of Python functions, with messages of one line."""

from __future__ import annotations

import operator


def whole_number(name: str, value: object, least: int | None = None) -> int:
    """A whole number, of Python, NumPy or torch.

    Args:
        name: of the argument. least: the smallest value that is allowed.

    Raises:
        TypeError: it is no whole number.
        ValueError: it is below ``least``.
    """
    expected = "a whole number" if least is None else f"a whole number of at least {least}"
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"`{name}` is {expected}, and this is {describe(value)}")
    number = operator.index(value)
    if least is not None and number < least:
        raise ValueError(f"`{name}` is {expected}, and this is {number}")
    return number


def text(name: str, value: object) -> str:
    """A text.

    Raises:
        TypeError: it is no text.
    """
    if not isinstance(value, str):
        raise TypeError(f"`{name}` is a text, and this is {describe(value)}")
    return value


def number_type(value: object) -> str:
    """``auto``, ``float32`` or ``float64``, by its name or as torch's type.

    Raises:
        ValueError: it is another.
    """
    name = str(value).removeprefix("torch.")
    if name not in ("auto", "float32", "float64"):
        raise ValueError(f"`dtype` is auto, float32 or float64, and this is {name}")
    return name


def describe(value: object) -> str:
    """A value in a few words, for messages."""
    if value is None or isinstance(value, (bool, int, float)):
        return str(value)
    return f"a value of type {type(value).__name__}"
