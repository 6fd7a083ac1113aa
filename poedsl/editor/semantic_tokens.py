"""The words of a program with what they are, for colours that know what a name refers to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from poedsl.editor.document import Document
from poedsl.editor.occurrences import BindingKind, Occurrence
from poedsl.editor.words import CONTEXTUAL_WORDS, EXPERT_WORDS, FUNCTION_WORDS, TYPE_WORDS
from poedsl.grammar import tree
from poedsl.grammar.source import Span
from poedsl.grammar.tokens import Word, words

TokenType = Literal[
    "keyword",
    "comment",
    "string",
    "number",
    "operator",
    "type",
    "class",
    "function",
    "variable",
    "parameter",
    "property",
]
Modifier = Literal["declaration", "readonly", "defaultLibrary"]
TYPES: tuple[TokenType, ...] = get_args(TokenType)
MODIFIERS: tuple[Modifier, ...] = get_args(Modifier)

_BOUND: dict[BindingKind, tuple[TokenType, tuple[Modifier, ...]]] = {
    "input": ("parameter", ("readonly",)),
    "constant": ("variable", ("readonly",)),
    "variable": ("variable", ()),
    "expert": ("class", ()),
    "use": ("class", ()),
    "parameter": ("parameter", ("readonly",)),
    "element": ("variable", ("readonly",)),
    "report": ("property", ()),
    "unknown": ("variable", ()),
}


@dataclass(frozen=True, slots=True)
class SemanticToken:
    """A word, or a comment."""

    span: Span
    type: TokenType
    modifiers: tuple[Modifier, ...] = ()


def semantic_tokens(document: Document) -> tuple[SemanticToken, ...]:
    """All words, in the order of the text; each ends on the line on which it begins."""
    by_span = {o.span: o for o in document.occurrences}
    reports = {s.span.start for s in document.program.statements if isinstance(s, tree.Report)}
    return tuple(_tokens(document.text, by_span, reports))


def _tokens(
    text: str, by_span: dict[Span, Occurrence], reports: set[int]
) -> Iterator[SemanticToken]:
    at = 0
    for word in words(text, Span(0, len(text))):
        yield from _comments(text, Span(at, word.span.start))
        at = word.span.end
        is_statement = word.text in CONTEXTUAL_WORDS and word.span.start in reports
        token = (
            SemanticToken(word.span, "keyword")
            if is_statement
            else _token(word, by_span.get(word.span))
        )
        if token is not None and "\n" not in word.text:
            yield token
    yield from _comments(text, Span(at, len(text)))


def _comments(text: str, gap: Span) -> Iterator[SemanticToken]:
    start = text.find("#", gap.start, gap.end)
    while start >= 0:
        end = text.find("\n", start, gap.end)
        end = gap.end if end < 0 else end
        yield SemanticToken(Span(start, start + len(text[start:end].rstrip("\r"))), "comment")
        start = text.find("#", end, gap.end)


def _token(word: Word, occurrence: Occurrence | None) -> SemanticToken | None:
    match word.kind:
        case "keyword":
            return SemanticToken(word.span, "keyword")
        case "number":
            return SemanticToken(word.span, "number")
        case "text" | "unclosed" | "quoted":
            return SemanticToken(word.span, "string")
        case "sign" if word.text not in "()[],:.":
            return SemanticToken(word.span, "operator")
        case "name":
            return _name(word, occurrence)
        case _:
            return None


def _name(word: Word, occurrence: Occurrence | None) -> SemanticToken | None:
    if occurrence is None:
        return _of_language(word)
    if occurrence.binding is not None and occurrence.role != "argument":
        type_, modifiers = _BOUND[occurrence.binding.kind]
        declares: tuple[Modifier, ...] = ("declaration",) if occurrence.declares else ()
        return SemanticToken(word.span, type_, (*declares, *modifiers))
    match occurrence.role:
        case "argument" | "setting":
            return SemanticToken(word.span, "parameter")
        case "option":
            return SemanticToken(word.span, "property")
        case "form":
            return SemanticToken(word.span, "function", ("defaultLibrary",))
        case "type":
            return SemanticToken(word.span, "type", ("defaultLibrary",))
        case _:
            kind: TokenType = "class" if word.text in EXPERT_WORDS else "function"
            return SemanticToken(word.span, kind, ("defaultLibrary",))


def _of_language(word: Word) -> SemanticToken | None:
    """A name in a line with an error, if it is a word of the language."""
    kinds: tuple[tuple[TokenType, tuple[str, ...]], ...] = (
        ("class", EXPERT_WORDS),
        ("function", FUNCTION_WORDS),
        ("type", TYPE_WORDS),
    )
    for kind, names in kinds:
        if word.text in names:
            return SemanticToken(word.span, kind, ("defaultLibrary",))
    return None
