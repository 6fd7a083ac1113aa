"""Mistakes in the shape of a statement."""

from __future__ import annotations

import difflib

from poedsl.grammar.diagnostics import Diagnostic, Edit, Fix
from poedsl.grammar.recovery.edits import clip, insert
from poedsl.grammar.recovery.misplaced_signs import ASSIGNMENT_SIGNS
from poedsl.grammar.source import Span
from poedsl.grammar.tokens import CONSTANTS, CONTEXTUAL, KEYWORDS, STATEMENTS, Failure
from poedsl.grammar.types import RANKS


def loop_header(f: Failure) -> Diagnostic | None:
    """``for m in c`` and ``for m in c: x ~ A``."""
    if f.first.text != "for":
        return None
    end = f.words[-1].span.end
    if f.ended and "COLON" in f.accepts:
        fix = Fix("a `:` ends the header", (insert(end, ":"),), "safe")
        header = Span(f.first.span.start, end)
        return Diagnostic("P0114", "this `for` has no `:` at its end", header, fixes=(fix,))
    if f.accepts == {"$END"} and f.before.text == ":":
        edit = Edit(Span(f.before.span.end, f.word.span.start), f"\n{f.indent}    ")
        fix = Fix("the block is indented below its header", (edit,))
        span = Span(f.word.span.start, end)
        return Diagnostic("P0114", "a statement on the line of its `for`", span, fixes=(fix,))
    return None


def input_type(f: Failure) -> Diagnostic | None:
    """``input x``, ``input x = 3``, ``input x Real``."""
    if f.first.text != "input" or f.accepts != {"COLON"}:
        return None
    name = f.words[1]
    if f.word.kind == "name" and (f.after.kind == "end" or f.after.text in ("[", "=")):
        if name.text in RANKS and f.word.text not in RANKS:
            swap = Edit(name.span.to(f.word.span), f"{f.word.text} : {name.text}")
            fix = Fix("the name comes first, then `:` and the type", (swap,), "safe")
            message = "the type stands before the name"
            return Diagnostic("P0117", message, name.span, fixes=(fix,))
        fix = Fix("a `:` separates the name and its type", (insert(name.span.end, " :"),), "safe")
        message = f"a `:` is missing before `{clip(f.word.text)}`"
        return Diagnostic("P0117", message, f.word.span, fixes=(fix,))
    if not f.ended and f.word.text not in ASSIGNMENT_SIGNS:
        return None
    edit = insert(name.span.end, " : Real")
    fix = Fix("the type follows the name, such as `: Real`", (edit,), "has-placeholders")
    message = f"the input `{clip(name.text)}` has no type"
    return Diagnostic("P0117", message, name.span, fixes=(fix,))


def place_without_quotes(f: Failure) -> Diagnostic | None:
    """``use digits from digits.py:digits``."""
    if f.first.text != "use" or f.accepts != {"STRING"} or f.ended:
        return None
    span = Span(f.word.span.start, f.words[-1].span.end)
    place = f.source(span.start, span.end)
    edits = () if '"' in place or "\\" in place else (Edit(span, f'"{place}"'),)
    fix = Fix("the place is a text in double quotes", edits, "safe" if edits else "maybe-incorrect")
    return Diagnostic("P0106", "the place after `from` is not in quotes", span, fixes=(fix,))


def missing_brackets(f: Failure) -> Diagnostic | None:
    """``sample x by anneal``, ``expert e = A``."""
    if f.accepts != {"LPAR"} or f.before.kind != "name":
        return None
    if not f.ended and f.word.text != "=":
        return None
    name = f.before
    fix = Fix(f"empty brackets stay: `{clip(name.text)}()`", (insert(name.span.end, "()"),), "safe")
    return Diagnostic(
        "P0101", f"`{clip(name.text)}` has no brackets after it", name.span, fixes=(fix,)
    )


def unknown_statement(f: Failure) -> Diagnostic | None:
    """A line that does not begin like a statement."""
    word = f.word
    if f.index == 0 and "USE" in f.accepts:
        if word.kind == "keyword" and word.text not in (*CONSTANTS, "not"):
            return _not_a_statement(f)
        alone = word.kind in ("number", "text", "keyword") or word.text in ("(", "[", "-", "+")
        return _expression_alone(f) if alone else None
    if f.index != 1 or f.first.kind != "name" or word.text == "," or f.wants_operator:
        return None
    if word.kind in ("sign", "end") or word.text in ("and", "or"):
        return _expression_alone(f)
    return _not_a_statement(f)


_STATEMENTS_NOTE = (
    "a statement is `name ~ ...` or `name : Type`, or begins with "
    + ", ".join(f"`{w}`" for w in STATEMENTS)
    + f" or `{CONTEXTUAL[0]}`"
)


def _not_a_statement(f: Failure) -> Diagnostic:
    word = f.first
    near = difflib.get_close_matches(
        word.text.lower(), (*STATEMENTS, *CONTEXTUAL), n=1, cutoff=0.75
    )
    fixes: tuple[Fix, ...] = ()
    if near and word.text not in KEYWORDS:
        text = f"there is a keyword with a similar name: `{near[0]}`"
        fixes = (Fix(text, (Edit(word.span, near[0]),)),)
    message = f"`{clip(word.text)}` does not begin a statement"
    return Diagnostic("P0116", message, word.span, notes=(_STATEMENTS_NOTE,), fixes=fixes)


def _expression_alone(f: Failure) -> Diagnostic:
    start = f.first.span.start
    tilde = next((i for i, w in enumerate(f.words) if w.text == "~"), 0)
    if tilde:
        target = Span(start, f.words[tilde - 1].span.end)
        note = "the target is a variable or a part of one: `x ~ ...`, `x[region] ~ ...`"
        return Diagnostic("P0116", "this cannot be the target of `~`", target, notes=(note,))
    span = Span(start, f.words[-1].span.end)
    message = "an expression alone is not a statement"
    note = _STATEMENTS_NOTE
    if f.first.text in CONTEXTUAL:
        note = "`report` lists what begins with a name or a number: `report r = -x`"
    return Diagnostic("P0116", message, span, notes=(note,))
