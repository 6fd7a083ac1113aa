"""Expressions side by side, and commas and ``for`` in places where they separate nothing."""

from __future__ import annotations

from poedsl.grammar.diagnostics import Diagnostic, Edit, Fix
from poedsl.grammar.recovery.edits import insert
from poedsl.grammar.source import Span
from poedsl.grammar.tokens import CONSTANTS, Failure

#: Under these names other languages keep their functions.
FOREIGN_MODULES = frozenset(
    ("np", "numpy", "torch", "T", "tt", "pt", "math", "jnp", "jax", "tf", "dist")
)


def _call_of_expression(f: Failure) -> Diagnostic:
    """``np.sqrt(2)``, ``x.mean()``."""
    message, owner, dot = "only a name can be called", f.at(-3), f.at(-2)
    if owner.text in FOREIGN_MODULES:
        fix = Fix(
            "functions stand without the module that they have elsewhere",
            (Edit(Span(owner.span.start, dot.span.end), ""),),
        )
        return Diagnostic("P0101", message, f.before.span, fixes=(fix,))
    note = "what follows `.` is a part of a value and takes no arguments"
    return Diagnostic("P0101", message, f.before.span, notes=(note,))


def side_by_side(f: Failure) -> Diagnostic | None:
    """``f(a b)``, ``A B``, ``2(x + 1)``, ``f(2 a)``."""
    word = f.word
    starts = word.kind in ("name", "number", "text") or word.text in ("(", *CONSTANTS)
    if not f.wants_operator or not starts:
        return None
    if word.text == "(" and f.at(-2).text == ".":
        return _call_of_expression(f)
    at = f.before.span.end
    named = word.kind == "name" and f.after.text == "="
    comma = Fix(
        "arguments and items are separated by `,`",
        (insert(at, ","),),
        "safe" if named else "maybe-incorrect",
    )
    gap = Edit(Span(at, word.span.start), " * ")
    product = Fix("products are written with `*`", (gap,))
    fixes: tuple[Fix, ...] = (product,)
    if "COMMA" not in f.accepts or word.text == "(":
        missing = "an operator"
    elif f.before.kind == "number" and word.kind == "name" and not named:
        missing, fixes = "an operator or a `,`", (product, comma)
    else:
        missing, fixes = "a `,`", (comma,)
    return Diagnostic("P0103", f"{missing} is missing before {word}", word.span, fixes=fixes)


def loose_comma(f: Failure) -> Diagnostic | None:
    """``let a = 1, 2``, ``(a, b)``, ``f(a,, b)``, ``x, y ~ A``."""
    if f.word.text != ",":
        return None
    span = f.word.span
    if f.wants_operand and f.before.text in (",", "(", "["):
        fix = Fix("one comma is enough", (Edit(span, ""),))
        return Diagnostic("P0101", "nothing stands before this `,`", span, fixes=(fix,))
    if f.wants_operator:
        note = "lists are written in square brackets: `[a, b]`"
    elif f.index == 1 and f.first.kind == "name":
        note = "each variable has a statement of its own"
    else:
        return None
    here = "nothing here is separated by commas"
    return Diagnostic("P0101", "unexpected `,`", span, here=here, notes=(note,))


def comprehension(f: Failure) -> Diagnostic | None:
    """``[m for m in c]``, ``f(a for m in c, b)``, ``f(a for m in c if d)``."""
    if not f.wants_operator:
        return None
    if f.word.text == "for":
        note = "`for` makes all the arguments of a call: `mixture(Normal(m, 1) for m in c)`"
        return Diagnostic("P0101", "unexpected keyword `for`", f.word.span, notes=(note,))
    if f.word.text in (",", "if") and any(w.text == "for" for w in f.words[1 : f.index]):
        note = "nothing follows the list of a `for` in brackets: `f(... for m in c)`"
        return Diagnostic("P0101", f"unexpected {f.word}", f.word.span, notes=(note,))
    return None
