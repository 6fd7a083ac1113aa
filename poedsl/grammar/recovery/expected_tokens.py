"""What could have stood in the place of a refused word, in a user's words."""

from __future__ import annotations

from poedsl.grammar.logical_lines import CLOSERS
from poedsl.grammar.tokens import Failure

_OPERANDS = frozenset(
    ("NUMBER", "STRING", "NAME", "TRUE", "FALSE", "NONE", "LPAR", "LSQB", "PLUS", "MINUS", "NOT")
)
_OPERATORS = frozenset(
    (
        *("PLUS", "MINUS", "STAR", "SLASH", "AT", "CIRCUMFLEX"),
        *("COMPARE", "AND", "OR", "LPAR", "LSQB", "DOT"),
    )
)
#: Terminals that are possible inside brackets but tell a reader nothing there.
_FINE_PRINT = frozenset(("EQUAL", "COLON", "FOR"))
_SIGNS = {
    "COMMA": "`,`",
    "RPAR": "`)`",
    "RSQB": "`]`",
    "LPAR": "`(`",
    "LSQB": "`[`",
    "COLON": "`:`",
    "EQUAL": "`=`",
    "TILDE": "`~` and a product",
    "FROM": "`from` and a place",
    "GIVEN": "`given`",
    "FOR": "`for`",
    "IN": "`in` and a list",
    "BY": "`by` and a method",
    "$END": "the end of the line",
}
#: Signs that stand alone, by the word that begins the statement.
_ALONE = {
    ("input", "COLON"): "`:` and a type",
    ("let", "EQUAL"): "`=` and a value",
    ("expert", "EQUAL"): "`=` and a product",
    ("expert", "LPAR"): "`(` and the parameters",
    ("sample", "LPAR"): "`(` and the options",
}
#: What a name is the name of, by the word before it.
_NAMES = {
    "use": "the name of an expert",
    "input": "the name of the input",
    "let": "the name of the constant",
    "expert": "the name of the expert",
    "for": "a name for the elements",
    "sample": "the name of a variable",
    "given": "the name of a variable",
    ":": "a type such as `Real`",
    "by": "a method such as `anneal`",
    ".": "the name of a part",
}
#: How a statement is written, by the word that begins it.
_SHAPES = {
    "use": 'use NAME from "PLACE"',
    "input": "input NAME : Type = default",
    "let": "let NAME = value",
    "expert": "expert NAME(parameters) = product",
    "for": "for NAME in list:",
    "sample": "sample NAME by METHOD(options)",
    "report": "report VALUE, NAME = VALUE",
}


def expected(f: Failure) -> str:
    """What could have stood there: ``an operator, `,` or `)` ``."""
    rest = set(f.accepts)
    if "USE" in rest:
        return "a statement"
    alone = _ALONE.get((f.first.text, next(iter(rest))))
    if len(rest) == 1 and alone is not None:
        return alone
    parts = []
    if "NUMBER" in rest:
        parts.append("an expression")
        rest -= _OPERANDS
    if "STAR" in rest:
        parts.append("an operator")
        rest -= _OPERATORS
        if rest & {"RPAR", "RSQB"}:
            rest -= _FINE_PRINT
    if "NAME" in rest:
        parts.append(_name(f))
    if "STRING" in rest:
        parts.append("a text in double quotes")
    parts += [text for terminal, text in _SIGNS.items() if terminal in rest]
    return _either(parts)


def _name(f: Failure) -> str:
    if f.first.text == "expert" and f.before.text in ("(", ","):
        return "the name of a parameter"
    if f.before.text == ",":
        return "the name of a variable"
    return _NAMES.get(f.before.text, "a name")


def _either(parts: list[str]) -> str:
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} or {parts[-1]}"


def shape(f: Failure) -> tuple[str, ...]:
    """A note on how the statement is written, where the word is not in brackets."""
    before = [w.text for w in f.words[: f.index]]
    open_ = sum(before.count(opener) - before.count(closer) for opener, closer in CLOSERS.items())
    form = _SHAPES.get(f.first.text) if f.index and not open_ else None
    return () if form is None else (f"the statement is written `{form}`",)
