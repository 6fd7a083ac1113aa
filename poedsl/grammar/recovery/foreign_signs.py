"""Signs and characters of other languages."""

from __future__ import annotations

import unicodedata

from poedsl.grammar.diagnostics import Applicability, Diagnostic, Edit, Fix
from poedsl.grammar.source import Span
from poedsl.grammar.tokens import CONSTANTS, Failure

#: Signs of other languages: what they are there, and how that is written here.
_SIGNS = {
    "**": ("powers are", "^"),
    "&&": ("the conjunction is", "and"),
    "&": ("the conjunction is", "and"),
    "||": ("the disjunction is", "or"),
    "|": ("the disjunction is", "or"),
    "!": ("the negation is", "not"),
    "===": ("equality is", "=="),
    "!==": ("inequality is", "!="),
    "<>": ("inequality is", "!="),
    "=<": ("the comparison is", "<="),
    "=>": ("the comparison is", ">="),
    ":=": ("a definition is", "="),
    "<-": ("a definition is", "="),
}


#: Of these the meaning and the tightness are the same, so that there is no doubt.
_SAME_MEANING = frozenset(("**", "&&", "||", "===", "!==", "<>", "=<"))


_OPERATORS_NOTE = (
    "the operators are `+`, `-`, `*`, `/`, `@`, `^`, comparisons, `and`, `or` and `not`"
)


_REMAINDER_NOTE = "the remainder of a division is written `mod(x, y)`"
_OTHER_SIGNS = frozenset(("%", "->", "|>", "+=", "-=", "*=", "/=", "^="))


def foreign_sign(f: Failure) -> Diagnostic | None:
    word = f.word
    if word.text == "//":
        return _slashes(f)
    if word.text in _LOGIC_SIGNS and _between_factors(f):
        return _logic_between_factors(f)
    fixes: tuple[Fix, ...] = ()
    if word.text in _SIGNS:
        meaning, equivalent = _SIGNS[word.text]
        edit = Edit(word.span, _spaced(f, equivalent))
        fixes = (
            Fix(
                f"{meaning} written `{equivalent}`",
                (edit,),
                _applicability(f, word.text in _SAME_MEANING),
            ),
        )
    elif word.text not in _OTHER_SIGNS:
        return None
    remainder = word.text == "%" and not _between_factors(f)
    return Diagnostic(
        "P0109",
        f"`{word.text}` is not an operator of the language",
        word.span,
        notes=() if fixes else (_REMAINDER_NOTE if remainder else _OPERATORS_NOTE,),
        fixes=fixes,
    )


#: Signs of logic, which between factors are meant for something else.
_LOGIC_SIGNS = ("&&", "&", "||", "|")


def _between_factors(f: Failure) -> bool:
    """Whether a sign joins factors: it is after `~` and in no brackets of a call."""
    before = f.words[: f.index]
    if all(w.text != "~" for w in before):
        return False
    calls: list[bool] = []
    for w, left in zip(before[1:], before, strict=False):
        if w.text in ("(", "["):
            calls.append(w.text == "[" or left.kind == "name")
        elif w.text in (")", "]") and calls:
            calls.pop()
    return not any(calls)


def _logic_between_factors(f: Failure) -> Diagnostic:
    """``A && B`` is a product of factors, ``A || B`` a mixture."""
    message, span = f"`{f.word.text}` does not join factors", f.word.span
    if f.word.text[0] == "|":
        note = "one or the other is a mixture: `mixture(0.5: A, 0.5: B)`"
        return Diagnostic("P0109", message, span, notes=(note,))
    fix = Fix("factors are joined by `*`", (Edit(span, _spaced(f, "*")),), "safe")
    return Diagnostic("P0109", message, span, fixes=(fix,))


def _applicability(f: Failure, same: bool) -> Applicability:
    """An operator that is only written otherwise here is put right after an operand."""
    before = f.before
    operand = before.kind in ("name", "number", "text") or before.text in (")", "]", *CONSTANTS)
    return "safe" if same and operand else "maybe-incorrect"


def _spaced(f: Failure, text: str) -> str:
    """The text, with blanks where a word would run into its neighbours."""
    if not text.isalpha():
        return text
    left = " " if f.before.text and f.before.span.end == f.word.span.start else ""
    right = " " if f.after.text and f.after.span.start == f.word.span.end else ""
    return f"{left}{text}{right}"


def _slashes(f: Failure) -> Diagnostic:
    fixes = [Fix("comments begin with `#`", (Edit(f.word.span, "#"),))]
    if f.index > 0:
        fixes.append(Fix("quotients are written with `/`", (Edit(f.word.span, "/"),)))
    message = "`//` is not an operator of the language"
    return Diagnostic("P0109", message, f.word.span, fixes=tuple(fixes))


_OWN_SIGNS = "()[],:=~+-*/@^.<>"


_PLAIN_SIGNS = {
    **dict.fromkeys("−–—‐‑", "-"),
    **dict.fromkeys("×·∗⋅•", "*"),
    **{"÷": "/", "∕": "/", "≤": "<=", "≥": ">=", "≠": "!=", "∼": "~", "ˆ": "^"},
    **{"∈": "in", "∧": "and", "∨": "or", "¬": "not"},
}


_CHARACTER_NOTES = {
    ";": "a statement ends at the end of its line",
    "{": "lists are written in `[ ]`, and a block of statements is indented",
    "}": "lists are written in `[ ]`, and a block of statements is indented",
    "\\": "a line runs on inside brackets, and only there",
}


def foreign_character(f: Failure) -> Diagnostic | None:
    word = f.word
    if word.kind != "sign" or len(word.text) > 1 or word.text in _OWN_SIGNS:
        return None
    note = _CHARACTER_NOTES.get(word.text)
    return Diagnostic(
        "P0108",
        f"the character {_character(word.text)} is not part of the language",
        word.span,
        notes=(note,) if note else (),
        fixes=_semicolon(f) if word.text == ";" else _plain_character(f),
    )


def _character(c: str) -> str:
    name = unicodedata.name(c, "").lower()
    code = f"U+{ord(c):04X}"
    if c.isprintable() and not c.isspace():
        return f"`{c}`" if c.isascii() else f"`{c}` ({name or code})"
    return f"{code} ({name})" if name else code


def _plain_character(f: Failure) -> tuple[Fix, ...]:
    c = f.word.text
    category = unicodedata.category(c)
    if category == "Cf":
        return (Fix("the line reads the same without it", (Edit(f.word.span, ""),), "safe"),)
    if category == "Zs":
        return (Fix("an ordinary space serves", (Edit(f.word.span, " "),), "safe"),)
    plain = _PLAIN_SIGNS.get(c) or unicodedata.normalize("NFKC", c)
    if c.isascii() or not plain.isascii() or not plain.strip():
        return ()
    edit = Edit(f.word.span, _spaced(f, plain))
    return (Fix(f"the plain sign is `{plain}`", (edit,), _applicability(f, c in _PLAIN_SIGNS)),)


def _semicolon(f: Failure) -> tuple[Fix, ...]:
    if f.after.kind == "end":
        return (Fix("the statement ends without it", (Edit(f.word.span, ""),), "safe"),)
    gap = Span(f.word.span.start, f.after.span.start)
    return (Fix("each statement has a line of its own", (Edit(gap, f"\n{f.indent}"),)),)
