"""Changes of a program: its canonical form, and the fixes of its diagnostics."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

from poedsl.editor.document import Document
from poedsl.grammar.diagnostics import Diagnostic, Edit
from poedsl.grammar.errors import PoeError
from poedsl.grammar.formatting.format import FormatError, format_source
from poedsl.grammar.recovery.apply_fixes import safe_fixes
from poedsl.grammar.source import Span


@dataclass(frozen=True, slots=True)
class Action:
    """A change that an editor offers.

    Attributes:
        diagnostic: what it mends; None for all safe fixes at once.
        safe: whether it is certainly what was meant.
    """

    title: str
    edits: tuple[Edit, ...]
    diagnostic: Diagnostic | None = None
    safe: bool = False


def formatting(document: Document) -> tuple[Edit, ...]:
    """The edits to the canonical form, by whole lines; none for a program with syntax errors."""
    try:
        formatted = format_source(document.text)
    except (PoeError, FormatError, RecursionError):
        return ()
    before, after = _lines(document.text), _lines(formatted)
    starts = [0]
    for line in before:
        starts.append(starts[-1] + len(line))
    changes = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    return tuple(
        Edit(Span(starts[a], starts[b]), "".join(after[c:d]))
        for kind, a, b, c, d in changes
        if kind != "equal"
    )


def _lines(text: str) -> list[str]:
    return re.findall(r"[^\n]*\n|[^\n]+\Z", text)


def actions(document: Document, span: Span) -> Iterator[Action]:
    """The fixes of the diagnostics that a part of the text touches, and then all safe fixes."""
    for d in document.diagnostics:
        if d.span.start <= span.end and span.start <= d.span.end:
            for fix in d.fixes:
                if fix.edits:
                    yield Action(fix.text, fix.edits, d, fix.applicability == "safe")
    every = safe_fixes(document.diagnostics)
    if every:
        edits = tuple(edit for _, fix in every for edit in fix.edits)
        yield Action("apply all safe fixes", edits, safe=True)
