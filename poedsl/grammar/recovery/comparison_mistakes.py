"""Chained comparisons, and ``not`` as an operand."""

from __future__ import annotations

from itertools import pairwise

from poedsl.grammar.diagnostics import Diagnostic, Edit, Fix, Label
from poedsl.grammar.logical_lines import CLOSERS
from poedsl.grammar.recovery.edits import insert
from poedsl.grammar.tokens import Failure, Word

_COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")


def chained_comparison(f: Failure) -> Diagnostic | None:
    """``a < b < c``."""
    if f.word.text not in _COMPARISONS or not f.wants_operator or "COMPARE" in f.accepts:
        return None
    earlier = _earlier_comparison(f)
    if earlier is None:
        return None
    middle = f.source(earlier.span.end, f.before.span.end).strip()
    edits: tuple[Edit, ...] = (insert(f.word.span.start, f"and {middle} "),)
    negation = _negation(f, earlier)
    if negation is not None:  # `not` binds tighter than `and`
        opening = insert(f.words[f.words.index(negation) + 1].span.start, "(")
        edits = (opening, *edits, insert(_last_of_chain(f).span.end, ")"))
    return Diagnostic(
        "P0112",
        "comparisons do not chain",
        f.word.span,
        labels=(Label(earlier.span, "the first comparison"),),
        fixes=(Fix("two comparisons are joined by `and`", edits, "safe"),),
    )


def _earlier_comparison(f: Failure) -> Word | None:
    """The comparison before the refused word, past any in brackets between them."""
    depth = 0
    for word in f.words[f.index - 1 :: -1]:
        depth += (word.text in CLOSERS.values()) - (word.text in CLOSERS)
        if depth == 0 and word.text in _COMPARISONS:
            return word
    return None


def _negation(f: Failure, comparison: Word) -> Word | None:
    """The ``not`` before the left side of a comparison."""
    depth = 0
    for word in f.words[f.words.index(comparison) - 1 :: -1]:
        depth += (word.text in CLOSERS.values()) - (word.text in CLOSERS)
        if depth < 0 or (depth == 0 and word.text in ("and", "or", ",", "=")):
            return None
        if depth == 0 and word.text == "not":
            return word
    return None


def _last_of_chain(f: Failure) -> Word:
    """The last word of a chain of comparisons."""
    depth = 0
    for before, word in pairwise(f.words[f.index :]):
        depth += (word.text in CLOSERS) - (word.text in CLOSERS.values())
        ends = word.kind == "end" or word.text in ("and", "or", ",", "for")
        if depth < 0 or (depth == 0 and ends):
            return before
    return f.words[-2]


def not_as_operand(f: Failure) -> Diagnostic | None:
    """``a + not b``."""
    if f.word.text != "not" or not f.wants_operand or "NOT" in f.accepts:
        return None
    return Diagnostic(
        "P0101",
        f"unexpected `not` after `{f.before.text}`",
        f.word.span,
        notes=(f"`not` binds looser than `{f.before.text}`",),
        fixes=(Fix("brackets make one operand of it: `(not ...)`"),),
    )
