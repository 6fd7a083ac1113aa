"""Corrections of unknown names: every similar-name suggestion of the compiler comes from here."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from poedsl.grammar.diagnostics import Edit, Fix
from poedsl.grammar.source import Span


def similar_name(name: str, known: Iterable[str]) -> str | None:
    """The known name closest to ``name``, or None when none is close enough."""
    found = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.75)
    return found[0] if found else None


def similar_name_fix(name: str, span: Span, known: Iterable[str], what: str) -> tuple[Fix, ...]:
    """A fix that replaces ``name`` at ``span`` by the closest known name, if there is one.

    Args:
        what: the kind of thing that is named, for the message: "a parameter", "an option".
    """
    found = similar_name(name, known)
    if found is None:
        return ()
    return (Fix(f"there is {what} with a similar name: `{found}`", (Edit(span, found),)),)


def is_typo(a: str, b: str) -> bool:
    """Whether two names differ by one letter omitted, added, changed or by two swapped letters.

    Names that differ in a digit are taken as different on purpose.
    """
    short, long = sorted((a, b), key=len)
    if len(short) < 4 or len(long) - len(short) > 1 or a == b:
        return False
    start = next((i for i, (p, q) in enumerate(zip(a, b, strict=False)) if p != q), len(short))
    rest, other = short[start:], long[start:]
    if not (other[:1] + rest[:1]).replace("_", "a").isalpha():
        return False
    swapped = rest[1:2] + rest[:1] + rest[2:]
    return (
        other[1:] in (rest, rest[1:])
        if len(short) < len(long)
        else (other[1:] == rest[1:] or other == swapped)
    )
