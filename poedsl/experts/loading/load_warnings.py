"""Warnings about models while they are loaded, which a run adds to those of its result."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class LoadWarning:
    """A code, which `poe explain` describes, one sentence, and what it says as data."""

    code: str
    message: str
    data: Mapping[str, Any] = field(default_factory=dict, hash=False)


_COLLECTED: ContextVar[list[LoadWarning] | None] = ContextVar("collected", default=None)


@contextmanager
def collected() -> Iterator[list[LoadWarning]]:
    """The warnings that are given in its block, those of an inner block excepted."""
    block: list[LoadWarning] = []
    token = _COLLECTED.set(block)
    try:
        yield block
    finally:
        _COLLECTED.reset(token)


def warn(code: str, message: str, **data: Any) -> None:
    """Give a warning to the innermost `collected`, or as Python's where there is none."""
    block = _COLLECTED.get()
    if block is None:
        warnings.warn(message, stacklevel=2)
    else:
        block.append(LoadWarning(code, message, data))
