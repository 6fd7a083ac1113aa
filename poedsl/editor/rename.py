"""Renaming, which leaves the meaning of the program as it is or is refused."""

from __future__ import annotations

import re
from dataclasses import replace

from poedsl.editor.document import Document
from poedsl.editor.occurrences import Binding, Occurrence
from poedsl.editor.words import (
    CONSTRUCT_WORDS,
    EXPERT_WORDS,
    FUNCTION_WORDS,
    KEYWORDS,
    STATEMENT_WORDS,
    TYPE_WORDS,
)
from poedsl.grammar.diagnostics import Edit, Fix
from poedsl.grammar.recovery.apply_fixes import apply_fix

_TAKEN = frozenset(
    (*KEYWORDS, *STATEMENT_WORDS, *CONSTRUCT_WORDS, *EXPERT_WORDS, *FUNCTION_WORDS, *TYPE_WORDS)
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class RenameError(Exception):
    """A name that cannot be changed, or not to this one; the message says why."""


def renamable(document: Document, offset: int) -> Occurrence | None:
    """The word at an offset if it is a name of the program."""
    occurrence = document.at(offset)
    if occurrence is None or occurrence.binding is None or occurrence.binding.kind == "unknown":
        return None
    return occurrence


def rename(document: Document, offset: int, name: str) -> tuple[Edit, ...]:
    """The edits that give the name at an offset another name.

    Raises:
        RenameError: there is no name of the program there, the new one is no name or is taken, or
            the program would not mean the same.
    """
    occurrence = renamable(document, offset)
    binding = occurrence.binding if occurrence is not None else None
    if binding is None:
        raise RenameError("there is no name of the program here")
    if not _NAME.fullmatch(name):
        raise RenameError(f"{name!r} is not a name: letters, digits and _, not a digit first")
    if name in _TAKEN:
        raise RenameError(f"`{name}` is a word of the language")
    resolved = document.compiled.resolved
    if resolved is not None and binding.name in resolved.unreadable:
        raise RenameError(f"a line with a syntax error may use `{binding.name}`")
    edits = tuple(Edit(o.span, name) for o in document.of(binding))
    renamed = replace(document, text=apply_fix(document.text, Fix("", edits)))
    if name != binding.name and _meaning(document, binding, name) != _meaning(renamed):
        raise RenameError(f"with the name `{name}` the program would not mean the same")
    return edits


def _meaning(
    document: Document, renamed: Binding | None = None, name: str = ""
) -> tuple[object, ...]:
    """What every word refers to, by order of appearance, the inputs and the diagnostics.

    Args:
        renamed: the binding that is taken to have the name ``name``.
    """
    numbers: dict[Binding, int] = {}
    places: list[object] = []
    for o in document.occurrences:
        number = None if o.binding is None else numbers.setdefault(o.binding, len(numbers))
        called = o.name if o.binding is None else ""
        places.append((o.role, number, o.binding and o.binding.kind, called))
    old = renamed.name if renamed is not None and renamed.kind == "input" else ""
    inputs = sorted((name if n == old else n, f"{i.type}") for n, i in document.inputs.items())
    return places, inputs, sorted(d.code for d in document.diagnostics)
