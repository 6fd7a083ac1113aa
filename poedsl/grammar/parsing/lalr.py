"""LR parsing with the tables that lark made of ``poe.lark`` (Aho et al., "Compilers", Alg. 4.44).

The tables are in ``poe.tables.json``, so that reading a program builds none; `tables` makes them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from poedsl.grammar.source import Span

END = "$END"


class Token(NamedTuple):
    """A terminal as it stands in the text."""

    type: str
    value: str
    span: Span


class ParserStopped(Exception):
    """Where the parser stopped: at a word, at a character that begins none, or at the end."""

    def __init__(self, at: int) -> None:
        super().__init__(at)
        self.at = at


class Production(NamedTuple):
    """What a reduction makes: the name of its callback, none where its only child stands for it."""

    origin: str
    callback: str
    size: int


class Tables(NamedTuple):
    """The automaton.

    Attributes:
        terminals: a pattern that matches one of them by name, blanks included.
        actions: for each state what a terminal does: a number is the state to go to, its
            complement the rule to reduce by.
        gotos: for each state where each rule's origin leads.
        starts, ends: the first and the last state of each start symbol.
    """

    terminals: re.Pattern[str]
    names: tuple[str, ...]
    rules: tuple[Production, ...]
    actions: tuple[dict[str, int], ...]
    gotos: tuple[dict[str, int], ...]
    starts: dict[str, int]
    ends: dict[str, int]


@cache
def tables() -> Tables:
    data = json.loads((files("poedsl.grammar") / "poe.tables.json").read_text("utf-8"))
    named = (f"(?P<{name}>{pattern})" for name, pattern in data["terminals"].items())
    return Tables(
        re.compile("|".join(named)),
        tuple(data["terminals"]),
        tuple(Production(*rule) for rule in data["rules"]),
        tuple(data["actions"]),
        tuple(data["gotos"]),
        data["starts"],
        data["ends"],
    )


def tokens(text: str, span: Span) -> Iterator[Token]:
    """The words of a part of a text.

    Raises:
        ParserStopped: there is a character that begins none.
    """
    match, at = tables().terminals.match, span.start
    while at < span.end:
        token_match = match(text, at, span.end)
        if token_match is None:
            raise ParserStopped(at)
        kind, begin, at = token_match.lastgroup, at, token_match.end()
        if kind is not None and kind != "BLANK":
            yield Token(kind, token_match.group(), Span(begin, at))


def parse(text: str, span: Span, start: str, builder: Any) -> Any:
    """What a builder makes of a part of a text.

    Args:
        builder: callbacks by name, for terminals with their token and for rules with a list.

    Raises:
        ParserStopped: it is not of the language.
    """
    stack, values = read(text, span, start, builder)
    _advance(stack, values, END, span.end, builder, tables().ends[start])
    return values[0]


def read(text: str, span: Span, start: str, builder: Any) -> tuple[list[int], list[Any]]:
    """The states after the words of a part of a text, and what a builder made of them so far.

    Raises:
        ParserStopped: nothing can begin with them.
    """
    stack, values = [tables().starts[start]], list[Any]()
    for token in tokens(text, span):
        _advance(stack, values, token.type, token.span.start, builder)
        shifted = getattr(builder, token.type, None)
        values.append(token if shifted is None else shifted(token))
    return stack, values


def accepted(text: str, span: Span, start: str, builder: Any) -> frozenset[str]:
    """The terminals that can follow on a part of a text; `END` where it can end there.

    Raises:
        ParserStopped: nothing can begin with it.
    """
    stack, _ = read(text, span, start, builder)
    ends = tables().ends[start]
    return frozenset(t for t in (*tables().names, END) if _follows(stack, t, ends))


def _follows(stack: list[int], terminal: str, end: int) -> bool:
    try:
        _advance(list(stack), None, terminal, 0, None, end)
    except ParserStopped:
        return False
    return True


def _advance(
    stack: list[int],
    values: list[Any] | None,
    terminal: str,
    at: int,
    builder: Any = None,
    end: int = -1,
) -> None:
    """Reduce until a terminal is shifted, or until the end has come.

    Args:
        values: those of the states, to be built; None where nothing is.
        end: the state in which the end of the text is the end of the parse.
    """
    _, _, rules, actions, gotos, _, _ = tables()
    while True:
        action = actions[stack[-1]].get(terminal)
        if action is None:
            raise ParserStopped(at)
        if action >= 0:
            stack.append(action)
            return
        origin, callback, size = rules[~action]
        del stack[-size:]
        if values is not None and callback:
            children = values[-size:]
            del values[-size:]
            values.append(getattr(builder, callback)(children))
        stack.append(gotos[stack[-1]][origin])
        if terminal == END and stack[-1] == end:
            return
