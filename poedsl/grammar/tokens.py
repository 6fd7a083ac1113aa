"""The words of the language, and any text cut into words whether or not they belong to it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from poedsl.grammar.source import NOWHERE, Span

#: Words that begin a statement.
STATEMENTS = ("use", "input", "let", "expert", "for", "sample")
#: Words that begin a statement, and are names where they do not.
CONTEXTUAL = ("report",)
#: Words that join the parts of a statement or of an expression.
CONNECTIVES = ("from", "given", "in", "by", "and", "or", "not")
CONSTANTS = ("true", "false", "none")
#: Options of the sampler, the arguments of `anneal` in a `sample` statement.
OPTION_NAMES = (
    *("particles", "steps", "path", "move", "kernel", "correct", "potential", "resample"),
    *("condition", "start", "islands", "normalize_exponents", "keep"),
)
#: Every reserved word.
KEYWORDS = frozenset((*STATEMENTS, *CONNECTIVES, *CONSTANTS))
INDENT = "    "
#: Signs that are two characters long, here or in the languages that users come from.
PAIRS = (
    *("===", "!==", "**", "//", "&&", "||", "==", "!=", "<=", ">=", "=<", "=>", "<>"),
    *(":=", "<-", "->", "|>", "+=", "-=", "*=", "/=", "^="),
)

WordKind = Literal[
    "name",
    "keyword",
    "number",
    "text",
    "sign",
    "end",
    # What the language does not have: 'text', “text”; "text with no end; naïve; 3x, 1.2.3.
    "quoted",
    "unclosed",
    "odd_name",
    "odd_number",
]


@dataclass(frozen=True, slots=True)
class Word:
    """A stretch of text that a reader takes for one thing."""

    kind: WordKind
    text: str
    span: Span

    def __str__(self) -> str:
        """The word as a message names it."""
        if len(self.text) > 30:
            return "text" if self.kind in ("text", "quoted", "unclosed") else "word"
        prefixes = {"keyword": "keyword ", "number": "number ", "text": "text "}
        return f"{prefixes.get(self.kind, '')}`{self.text}`"


_SIGN = "|".join(map(re.escape, PAIRS))
_WORD = re.compile(
    rf"""(?P<blank>[ \t\r\n\f]+|\#[^\n]*)
    |(?P<text>"(?:[^"\\\n]|\\[^\n])*")
    |(?P<unclosed>"[^\n]*)
    |(?P<quoted>'[^'\n]*'|“[^”\n]*”|‘[^’\n]*’|`[^`\n]*`)
    |(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![\w.]))
    |(?P<odd_number>\.?\d[\w.]*(?:(?<=[eE])[+-]\w*)?)
    |(?P<name>[^\W\d]\w*)
    |(?P<sign>{_SIGN}|.)
    """,
    re.VERBOSE | re.DOTALL,
)


def words(text: str, span: Span) -> Iterator[Word]:
    """The words of a part of the text, blanks and comments left out."""
    for match in _WORD.finditer(text, span.start, span.end):
        kind = match.lastgroup
        if kind != "blank":
            word = match.group()
            yield Word(_kind(kind, word), word, Span(match.start(), match.end()))


def _kind(group: str | None, word: str) -> WordKind:
    if group == "name":
        if word in KEYWORDS:
            return "keyword"
        return "name" if word.isascii() else "odd_name"
    return group  # type: ignore[return-value]


_NO_WORD = Word("end", "", NOWHERE)


@dataclass(frozen=True, slots=True)
class Failure:
    """A word that the parser refused, among the words of its logical line.

    Attributes:
        text: the whole source.
        words: the words of the line; the last one is of kind ``end`` and empty.
        index: which of them was refused.
        accepts: the terminals that could have stood there, and ``$END`` where the line could end.
    """

    text: str
    words: tuple[Word, ...]
    index: int
    accepts: frozenset[str]

    @property
    def word(self) -> Word:
        return self.words[self.index]

    def at(self, offset: int) -> Word:
        """A word counted from the refused one; an empty word outside of the line."""
        index = self.index + offset
        return self.words[index] if 0 <= index < len(self.words) else _NO_WORD

    @property
    def before(self) -> Word:
        return self.at(-1)

    @property
    def after(self) -> Word:
        return self.at(1)

    @property
    def first(self) -> Word:
        return self.words[0]

    @property
    def indent(self) -> str:
        start = self.first.span.start
        return self.text[self.text.rfind("\n", 0, start) + 1 : start]

    @property
    def ended(self) -> bool:
        """Whether the line ended too early."""
        return self.word.kind == "end"

    @property
    def wants_operand(self) -> bool:
        return "NUMBER" in self.accepts

    @property
    def wants_operator(self) -> bool:
        return "STAR" in self.accepts

    def source(self, start: int, end: int) -> str:
        return self.text[start:end]
