"""Every state of the parser, and every mistake that can be made there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.logical_lines import CLOSERS
from poedsl.grammar.parsing import lalr
from poedsl.grammar.parsing.build_tree import Builder
from poedsl.grammar.parsing.parser import parse, parse_expression
from poedsl.grammar.source import Source, Span
from poedsl.grammar.tokens import KEYWORDS

#: A word for each terminal; `report` is one only before a name.
WORDS = {
    "REPORT": "report a",
    **{word.upper(): word for word in sorted(KEYWORDS)},
    **{"NAME": "a", "NUMBER": "1", "STRING": '"s"', "COMPARE": "<"},
    **{"LPAR": "(", "RPAR": ")", "LSQB": "[", "RSQB": "]", "COMMA": ",", "COLON": ":"},
    **{"EQUAL": "=", "TILDE": "~", "PLUS": "+", "MINUS": "-", "STAR": "*", "SLASH": "/"},
    **{"AT": "@", "CIRCUMFLEX": "^", "DOT": "."},
}


@cache
def states(start: str) -> dict[str, frozenset[str]]:
    """The shortest text that leads to each state of the parser, and what it accepts there."""
    found: dict[int, str] = {}
    accepted: dict[str, frozenset[str]] = {}
    level = [""]
    while level:
        following = []
        for text in level:
            whole = Span(0, len(text))
            state = lalr.read(text, whole, start, Builder)[0][-1]
            if state not in found:
                found[state] = text
                accepted[text] = lalr.accepted(text, whole, start, Builder)
                words = sorted(WORDS[t] for t in accepted[text] - {"$END"})
                following += [f"{text} {word}".strip() for word in words]
        level = following
    return accepted


def mistakes(start: str) -> Iterator[tuple[str, str, str]]:
    """State, refused word (empty for the end) and a text in which nothing else need be wrong."""
    for text, accepted in states(start).items():
        for terminal, word in {**WORDS, "$END": ""}.items():
            if terminal not in accepted and (text or word):
                yield text, word, closed(f"{text} {word}".strip())


def closed(text: str) -> str:
    """The text with the brackets closed that are open at its end."""
    open_: list[str] = []
    for sign in re.findall(r"[()\[\]]", text):
        if sign in CLOSERS:
            open_.append(CLOSERS[sign])
        elif open_ and open_[-1] == sign:
            open_.pop()
    return " ".join([text, *reversed(open_)])


def found(text: str, start: str) -> tuple[Diagnostic, ...]:
    return (parse if start == "statement" else parse_expression)(Source(text))[1]
