"""Highlighting by words alone: a lexer of Pygments and a grammar of TextMate, of one word list."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from pygments import token
from pygments.lexer import RegexLexer, bygroups, words

from poedsl.editor.words import (
    CONNECTIVE_WORDS,
    CONSTANT_WORDS,
    CONSTRUCT_WORDS,
    CONTEXTUAL_WORDS,
    EXPERT_WORDS,
    FORM_WORDS,
    FUNCTION_WORDS,
    KEYWORDS,
    METHOD,
    OPTION_WORDS,
    STATEMENT_WORDS,
    TYPE_WORDS,
)

_TEXT = r'"(?:[^"\\\n]|\\[^\n])*"'
_NUMBER = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_OPERATOR = r"[-+*/@^~=<>!]+"
_CALLED, _ASSIGNED = r"(?=[ \t]*\()", r"(?=[ \t]*=(?!=))"

#: Words that join conditions, which highlighters show as operators.
_LOGICAL = ("and", "or", "not")
_RESERVED = sorted(KEYWORDS.keys() - set(CONTEXTUAL_WORDS))
_PLAIN = [
    w for w in (*STATEMENT_WORDS, *CONNECTIVE_WORDS) if w not in (*_LOGICAL, *CONTEXTUAL_WORDS)
]


def _either(alternatives: Iterable[str]) -> str:
    return rf"\b(?:{'|'.join(alternatives)})\b"


#: `report` begins a statement where a name or a number follows.
_REPORT = rf"^([ \t]*)({'|'.join(CONTEXTUAL_WORDS)})(?=[ \t]+(?!{_either(_RESERVED)})[A-Za-z0-9_])"


class PoeLexer(RegexLexer):  # type: ignore[misc]
    """Programs of poedsl, for Pygments: ``pygmentize -l poe``, documentation and terminals."""

    name = "poe"
    aliases: ClassVar[list[str]] = ["poe", "poedsl"]
    filenames: ClassVar[list[str]] = ["*.poe"]
    tokens: ClassVar[dict[str, list[Any]]] = {
        "root": [
            (_REPORT, bygroups(token.Whitespace, token.Keyword)),
            (r"\s+", token.Whitespace),
            (r"#[^\n]*", token.Comment.Single),
            (_TEXT, token.String.Double),
            (rf"{_NUMBER}(?![\w.])", token.Number),
            (words(_PLAIN, r"\b", r"\b"), token.Keyword),
            (words(_LOGICAL, r"\b", r"\b"), token.Operator.Word),
            (words(CONSTANT_WORDS, r"\b", r"\b"), token.Keyword.Constant),
            (words(TYPE_WORDS, r"\b", r"\b"), token.Keyword.Type),
            (words(OPTION_WORDS, r"\b", rf"\b{_ASSIGNED}"), token.Name.Attribute),
            (words(EXPERT_WORDS, r"\b", rf"\b{_CALLED}"), token.Name.Class),
            (
                words((*CONSTRUCT_WORDS, *FUNCTION_WORDS), r"\b", rf"\b{_CALLED}"),
                token.Name.Builtin,
            ),
            (words((*FORM_WORDS, METHOD), r"\b", rf"\b{_CALLED}"), token.Name.Function),
            (_NAME, token.Name),
            (_OPERATOR, token.Operator),
            (r"[()\[\],:.]", token.Punctuation),
            (r".", token.Error),
        ]
    }


def textmate() -> dict[str, Any]:
    """The grammar of TextMate, which Visual Studio Code and others read."""
    patterns: list[tuple[str, str | dict[str, str]]] = [
        (_REPORT, {"2": "keyword.control.poe"}),
        (r"#.*$", "comment.line.number-sign.poe"),
        (_TEXT, "string.quoted.double.poe"),
        (rf"(?<![\w.]){_NUMBER}(?![\w.])", "constant.numeric.poe"),
        (_either(_PLAIN), "keyword.control.poe"),
        (_either(_LOGICAL), "keyword.operator.logical.poe"),
        (_either(CONSTANT_WORDS), "constant.language.poe"),
        (_either(TYPE_WORDS), "support.type.poe"),
        (rf"{_either(OPTION_WORDS)}{_ASSIGNED}", "variable.parameter.option.poe"),
        (rf"{_either(EXPERT_WORDS)}{_CALLED}", "support.class.poe"),
        (rf"{_either((*CONSTRUCT_WORDS, *FUNCTION_WORDS))}{_CALLED}", "support.function.poe"),
        (rf"{_either((*FORM_WORDS, METHOD))}{_CALLED}", "support.function.option.poe"),
        (_NAME, "variable.other.poe"),
        (_OPERATOR, "keyword.operator.poe"),
    ]
    return {
        "$schema": "https://raw.githubusercontent.com/martinring/tmlanguage/master/tmlanguage.json",
        "name": "poe",
        "scopeName": "source.poe",
        "fileTypes": ["poe"],
        "patterns": [_pattern(match, scope) for match, scope in patterns],
    }


def _pattern(match: str, scope: str | dict[str, str]) -> dict[str, Any]:
    if isinstance(scope, str):
        return {"match": match, "name": scope}
    return {"match": match, "captures": {group: {"name": name} for group, name in scope.items()}}


#: Kinds of tokens that a page colours, each with its class.
_CLASSES = {
    token.Keyword.Type: "t",
    token.Keyword: "k",
    token.Operator.Word: "k",
    token.Name.Class: "f",
    token.Name.Builtin: "f",
    token.Name.Function: "f",
    token.Name.Attribute: "t",
    token.Literal.String: "s",
    token.Literal.Number: "m",
    token.Comment: "c",
}


def pieces(text: str) -> tuple[tuple[str, str], ...]:
    """A program in pieces, each with the class of its colour: ``k`` for keywords, ``t`` for types
    and options, ``f`` for experts and functions, ``s`` for texts, ``m`` for numbers, ``c`` for
    comments, and an empty one for the rest.
    """
    out: list[tuple[str, str]] = []
    for _, kind, piece in PoeLexer().get_tokens_unprocessed(text):
        name = next((c for base, c in _CLASSES.items() if kind in base), "")
        if out and out[-1][0] == name:
            piece = out.pop()[1] + piece
        out.append((name, piece))
    return tuple(out)
