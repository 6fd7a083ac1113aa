"""Words that the language does not have: other quotes, odd numbers and names, reserved words."""

from __future__ import annotations

import re
import unicodedata

from poedsl.grammar.diagnostics import Diagnostic, Edit, Fix
from poedsl.grammar.recovery.edits import clip
from poedsl.grammar.tokens import KEYWORDS, STATEMENTS, Failure

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
