"""Limits of what programs, plans and inputs may ask for.

They are compared with sizes that are known beforehand, so that what exceeds one is refused before
anything is read or allocated. ``poe --limit NAME=NUMBER`` and `limits` change them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.source import NOWHERE, Span

#: The code of what exceeds a limit.
CODE = "P0507"


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit: its number if nothing else is asked for, what it counts, and of what."""

    default: int
    unit: str
    of: str


LIMITS: Mapping[str, Limit] = {
    "program": Limit(1_000_000, "bytes", "a program"),
    "plan": Limit(2**28, "bytes", "a plan in JSON"),
    "operations": Limit(
        3_000_000, "operations", "the compiler on constants and loops, beyond what is written out"
    ),
    "file": Limit(2**32, "bytes", "a file of arrays"),
    "text": Limit(2**28, "bytes", "a file that is read as text"),
    "pixels": Limit(2**26, "pixels", "a picture"),
    "numbers": Limit(2**28, "numbers", "the value of an input, or one particle of a variable"),
    "particles": Limit(10**7, "particles", "a run"),
    "population": Limit(2**27, "numbers", "all particles together, as the sampler moves them"),
    "steps": Limit(10**6, "steps", "a run, or of a kernel at one stage"),
}

_CHANGED: ContextVar[Mapping[str, int]] = ContextVar("poedsl limits", default={})  # noqa: B039


def limit(name: str) -> int:
    """The limit of a name as it is now."""
    return _CHANGED.get().get(name, LIMITS[name].default)


def change_limits(changes: Mapping[str, int]) -> None:
    """Change limits for the rest of this context.

    Raises:
        ValueError: there is no such limit, or a number is not positive.
    """
    for name, value in changes.items():
        if name not in LIMITS:
            raise ValueError(f"there is no limit named {name!r}: {', '.join(LIMITS)}")
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"the limit {name} is a whole number above 0, and this is {value!r}")
    _CHANGED.set({**_CHANGED.get(), **changes})


@contextmanager
def limits(**changes: int) -> Iterator[None]:
    """Change limits within a block, in this thread or task.

    Args:
        changes: new limits by name: `LIMITS` lists them.

    Raises:
        ValueError: there is no such limit, or a number is not positive.
    """
    token = _CHANGED.set(_CHANGED.get())
    try:
        change_limits(changes)
        yield
    finally:
        _CHANGED.reset(token)


def excess(name: str, subject: str, count: int, span: Span = NOWHERE) -> Diagnostic | None:
    """What is said of more than a limit allows; None of what is within it.

    Args:
        subject: what has the count, with its verb: ``the program has``.
    """
    most = limit(name)
    if count <= most:
        return None
    unit = LIMITS[name].unit
    shown = f"{count:,}" if count < 10**30 else "more than 10^30"
    message = f"{subject} {shown} {unit}, and the limit is {most:,}"
    return Diagnostic(CODE, message, span, notes=(remedy(name),))


def remedy(name: str) -> str:
    """How a limit is raised."""
    return (
        f"`--limit {name}=NUMBER` changes the limit, in Python `with poedsl.limits({name}=NUMBER):`"
    )


def read_limited(path: Path, name: str) -> bytes | Diagnostic:
    """The content of a file, or what is said of one that is larger than a limit.

    No more is read than the limit allows, of files without an end too.

    Raises:
        OSError: it cannot be read.
    """
    most = limit(name)
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) <= most:
        return content
    message = f"{path} has more than {most:,} {LIMITS[name].unit}, which is the limit"
    return Diagnostic(CODE, message, notes=(remedy(name),))
