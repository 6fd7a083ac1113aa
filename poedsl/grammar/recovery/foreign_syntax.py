"""Words the language does not have: other quotes, odd numbers and names, foreign signs.

A message says what is wrong; how it is written here stands in the fixes.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from poedsl.grammar.diagnostics import Applicability, Diagnostic, Edit, Fix
from poedsl.grammar.source import Span
from poedsl.grammar.tokens import CONSTANTS, KEYWORDS, STATEMENTS, Failure

#: What a refused word is answered with; None where the slip is another one.
Rule = Callable[[Failure], Diagnostic | None]


class Slip(Exception):
    """A word that the grammar admits and the language does not."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


def insert(at: int, text: str) -> Edit:
    return Edit(Span(at, at), text)


def clip(text: str) -> str:
    return text if len(text) <= 30 else f"{text[:29]}…"


# Slips that the tree's builder finds.

FOREIGN_CONSTANTS = {
    word: constant for constant in CONSTANTS for word in (constant.capitalize(), constant.upper())
}


def foreign_constant(word: str, span: Span) -> Diagnostic:
    ours = FOREIGN_CONSTANTS[word]
    fix = Fix(f"the constant is written `{ours}`", (Edit(span, ours),), "safe")
    return Diagnostic("P0110", f"`{word}` is a keyword in the wrong case", span, fixes=(fix,))


def long_number(span: Span) -> Diagnostic:
    return Diagnostic("P0115", "this number has too many digits", span)


def unknown_escape(escape: str, span: Span) -> Diagnostic:
    return Diagnostic(
        "P0107",
        f"unknown escape `{escape}`",
        span,
        notes=('the escapes are `\\"`, `\\\\`, `\\n` and `\\t`',),
        fixes=(Fix("a backslash itself is written twice", (insert(span.start, "\\"),)),),
    )


# Texts, numbers, names.

_QUOTES = {"'": "single quotes", "`": "backquotes"}


def quotes(f: Failure) -> Diagnostic | None:
    word = f.word
    if word.kind == "quoted":
        inner = word.text[1:-1].replace("\\", "\\\\").replace('"', '\\"')
        edits: tuple[Edit, ...] = (Edit(word.span, f'"{inner}"'),)
    elif word.kind == "sign" and word.text in "'`‘’“”":
        edits = ()
    else:
        return None
    name = _QUOTES.get(word.text[0], "typographic quotes")
    sure = "STRING" in f.accepts and edits and "\\" not in word.text
    fix = Fix("texts are in double quotes", edits, "safe" if sure else "maybe-incorrect")
    return Diagnostic("P0106", f"{name} do not enclose a text", word.span, fixes=(fix,))


_NUMBER = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_NUMBER_AND_NAME = re.compile(rf"(?!0[box])({_NUMBER})(?![eE]\Z)([A-Za-z_]\w*)", re.A | re.I)


def odd_number(f: Failure) -> Diagnostic | None:
    word = f.word
    if word.kind != "odd_number":
        return None
    text = unicodedata.normalize("NFKC", word.text)
    plain = text.replace("_", "")
    fix = _power(f)
    if fix is not None or _has_small_digits(word.text):
        pass
    elif re.fullmatch(_NUMBER, plain):
        fix = Fix("numbers are plain digits", (Edit(word.span, plain),), "safe")
    elif parts := _NUMBER_AND_NAME.fullmatch(text):
        product = f"{parts[1]} * {parts[2]}"
        fix = Fix(f"a product is written `{product}`", (Edit(word.span, product),))
    return Diagnostic(
        "P0115",
        f"`{clip(word.text)}` is not a number",
        word.span,
        here="the exponent has no digits" if re.fullmatch(rf"{_NUMBER}[eE][+-]?", text) else "",
        notes=() if fix else ("numbers look like `3`, `0.5`, `.5` and `1e-3`",),
        fixes=(fix,) if fix else (),
    )


_SMALL = ("<super>", "<sub>", "<fraction>")
#: Digits above the line at the end of a word are a power.
_RAISED = re.compile(r"(.*?)([⁰¹²³⁴-⁹]+)")


def _power(f: Failure) -> Fix | None:
    """``3²``, ``x¹⁰``, ``(a + b)²``."""
    word = f.word
    parts = _RAISED.fullmatch(word.text)
    base = parts[1] if parts else ""
    if parts is None or not (
        re.fullmatch(rf"{_NUMBER}|[A-Za-z_]\w*", base, re.A)
        or (not base and f.before.text in (")", "]"))
    ):
        return None
    edit = Edit(word.span, f"{parts[1]}^{unicodedata.normalize('NFKC', parts[2])}")
    return Fix("powers are written with `^`", (edit,), "safe")


def _has_small_digits(text: str) -> bool:
    """Superscripts, subscripts and fractions are digits to NFKC, and have a place of their own."""
    return any(unicodedata.decomposition(c).startswith(_SMALL) for c in text)


def odd_name(f: Failure) -> Diagnostic | None:
    word = f.word
    if word.kind != "odd_name":
        return None
    fixes: tuple[Fix, ...] = ()
    plain = _plain_name(word.text)
    if power := _power(f):
        fixes = (power,)
    elif plain.isidentifier() and plain not in KEYWORDS:
        fixes = (Fix(f"a plain spelling is `{plain}`", (Edit(word.span, plain),)),)
    return Diagnostic(
        "P0108",
        f"`{clip(word.text)}` has a character that is not allowed in a name",
        word.span,
        notes=("names are made of the letters A to Z and a to z, digits and `_`",),
        fixes=fixes,
    )


def _plain_name(text: str) -> str:
    """A plain spelling, accents dropped and Greek letters by their names; empty for others."""
    out = []
    for c in unicodedata.normalize("NFKD", text):
        name = unicodedata.name(c, "")
        if name.startswith("GREEK"):
            out.append(name.split(" WITH ")[0].rpartition(" ")[2].lower())
        elif c.isascii():
            out.append(c)
        elif not unicodedata.combining(c):
            return ""
    return "".join(out)


# Signs and characters.

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
_SAME = frozenset(("**", "&&", "||", "===", "!==", "<>", "=<"))
_OPERATORS_NOTE = "the operators are `+`, `-`, `*`, `/`, `^`, comparisons, `and`, `or` and `not`"
_OTHER_SIGNS = frozenset(("%", "@", "->", "|>", "+=", "-=", "*=", "/=", "^="))


def foreign_sign(f: Failure) -> Diagnostic | None:
    word = f.word
    if word.text == "//":
        return _slashes(f)
    if word.text in _JOINTS and _between_factors(f):
        return _joint(f)
    fixes: tuple[Fix, ...] = ()
    if word.text in _SIGNS:
        what, ours = _SIGNS[word.text]
        edit = Edit(word.span, _spaced(f, ours))
        fixes = (Fix(f"{what} written `{ours}`", (edit,), _sure(f, word.text in _SAME)),)
    elif word.text not in _OTHER_SIGNS:
        return None
    return Diagnostic(
        "P0109",
        f"`{word.text}` is not an operator of the language",
        word.span,
        notes=() if fixes else (_OPERATORS_NOTE,),
        fixes=fixes,
    )


#: Signs of logic, which between factors are meant for something else.
_JOINTS = ("&&", "&", "||", "|")


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


def _joint(f: Failure) -> Diagnostic:
    """``A && B`` is a product of factors, ``A || B`` a mixture."""
    message, span = f"`{f.word.text}` does not join factors", f.word.span
    if f.word.text[0] == "|":
        note = "one or the other is a mixture: `mixture(0.5: A, 0.5: B)`"
        return Diagnostic("P0109", message, span, notes=(note,))
    fix = Fix("factors are joined by `*`", (Edit(span, _spaced(f, "*")),), "safe")
    return Diagnostic("P0109", message, span, fixes=(fix,))


def _sure(f: Failure, same: bool) -> Applicability:
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


_OURS = "()[],:=~+-*/^.<>"
_PLAIN = {
    **dict.fromkeys("−–—‐‑", "-"),
    **dict.fromkeys("×·∗⋅•", "*"),
    **{"÷": "/", "∕": "/", "≤": "<=", "≥": ">=", "≠": "!=", "∼": "~", "ˆ": "^"},
    **{"∈": "in", "∧": "and", "∨": "or", "¬": "not"},
}
_NOTES = {
    ";": "a statement ends at the end of its line",
    "{": "lists are written in `[ ]`, and a block of statements is indented",
    "}": "lists are written in `[ ]`, and a block of statements is indented",
    "\\": "a line runs on inside brackets, and only there",
}


def foreign_character(f: Failure) -> Diagnostic | None:
    word = f.word
    if word.kind != "sign" or len(word.text) > 1 or word.text in _OURS:
        return None
    note = _NOTES.get(word.text)
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
    plain = _PLAIN.get(c) or unicodedata.normalize("NFKC", c)
    if c.isascii() or not plain.isascii() or not plain.strip():
        return ()
    edit = Edit(f.word.span, _spaced(f, plain))
    return (Fix(f"the plain sign is `{plain}`", (edit,), _sure(f, c in _PLAIN)),)


def _semicolon(f: Failure) -> tuple[Fix, ...]:
    if f.after.kind == "end":
        return (Fix("the statement ends without it", (Edit(f.word.span, ""),), "safe"),)
    gap = Span(f.word.span.start, f.after.span.start)
    return (Fix("each statement has a line of its own", (Edit(gap, f"\n{f.indent}"),)),)


# Reserved words.


def wrong_case(f: Failure) -> Diagnostic | None:
    """``Let a = 3``, ``A AND B``."""
    for word in (f.word, f.before):
        keyword = word.text.lower()
        if word.kind == "name" and keyword in KEYWORDS:
            begins = word is f.first and keyword in STATEMENTS
            sure = begins or (word is f.word and keyword.upper() in f.accepts)
            fix = Fix(
                f"the keyword is written `{keyword}`",
                (Edit(word.span, keyword),),
                "safe" if sure else "maybe-incorrect",
            )
            message = f"`{word.text}` is a keyword in the wrong case"
            return Diagnostic("P0110", message, word.span, fixes=(fix,))
    return None


_AFTER_A_NAME = frozenset("=~:[()],.+-*/^")


def reserved(f: Failure) -> Diagnostic | None:
    """``let for = 3``, ``f(by = 2)``: a keyword where a name could stand, and used like one."""
    word = f.word
    at_end = f.after.kind in ("end", "keyword")
    used_as_name = f.after.text in _AFTER_A_NAME or (at_end and not f.wants_operand)
    if word.kind != "keyword" or "NAME" not in f.accepts or not used_as_name:
        return None
    fix = Fix(f"`{word.text}_` is not reserved", (Edit(word.span, f"{word.text}_"),))
    message = f"`{word.text}` is a reserved word and cannot be a name"
    return Diagnostic("P0110", message, word.span, fixes=(fix,))


RULES: tuple[Rule, ...] = (
    quotes,
    odd_number,
    odd_name,
    foreign_sign,
    foreign_character,
    wrong_case,
    reserved,
)
