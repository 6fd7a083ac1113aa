"""What the call around the cursor takes, and which of its arguments is being typed."""

from __future__ import annotations

from dataclasses import dataclass

from poedsl.editor.callables import Callable, callable_named, form_named, sampler
from poedsl.editor.cursor import Bracket, Cursor
from poedsl.editor.document import Document
from poedsl.editor.words import METHOD


@dataclass(frozen=True, slots=True)
class SignatureHelp:
    """A call: what it takes, and the index of the parameter at the cursor, None for none of it."""

    called: Callable
    active: int | None


def signature_help(document: Document, offset: int) -> SignatureHelp | None:
    """The innermost call around an offset; None outside of calls and for unknown ones."""
    cursor = Cursor(document.text, offset)
    brackets = [b for b in cursor.brackets if b.callee]
    if not brackets:
        return None
    called = _called(document, cursor, brackets)
    return None if called is None else SignatureHelp(called, _active(called, brackets[-1]))


def _called(document: Document, cursor: Cursor, brackets: list[Bracket]) -> Callable | None:
    name = brackets[-1].callee
    if cursor.first == "sample" and len(brackets) == 1 and name == METHOD:
        return sampler()
    if cursor.first == "sample" and len(brackets) == 2:
        form = form_named(brackets[0].argument, name)
        if form is not None:
            return form
    return callable_named(document, name)


def _active(called: Callable, bracket: Bracket) -> int | None:
    names = [p.name for p in called.parameters]
    if bracket.argument:
        return names.index(bracket.argument) if bracket.argument in names else None
    if called.kind == "method":
        return None
    return bracket.index if bracket.index < len(names) else None
