"""Warnings about models while they are loaded, which a run adds to those of its result."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple


class LoadWarning(NamedTuple):
    """A code, which `poe explain` describes, and one sentence."""

    code: str
    message: str


_COLLECTED: ContextVar[list[LoadWarning] | None] = ContextVar("collected", default=None)


@contextmanager
def collected() -> Iterator[list[LoadWarning]]:
    """The warnings that are given in its block, those of an inner block excepted."""
    found: list[LoadWarning] = []
    token = _COLLECTED.set(found)
    try:
        yield found
    finally:
        _COLLECTED.reset(token)


def warn(code: str, message: str) -> None:
    """Give a warning to the innermost `collected`, or as Python's where there is none."""
    found = _COLLECTED.get()
    if found is None:
        warnings.warn(message, stacklevel=2)
    else:
        found.append(LoadWarning(code, message))
