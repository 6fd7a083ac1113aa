"""Searches for regular expressions in a time that is bounded by the sizes of pattern and text.

Python's `re` goes through the ways to match one by one, which are exponentially many for patterns
such as ``(a+)+b``. It is used where they are few. Other patterns are followed by their automaton,
all ways at once.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from poedsl.catalog.pattern_graphs import (
    CLOSED,
    CLOSING,
    OPEN,
    Graph,
    PatternError,
    graph_of,
    parsed,
)

#: The most ways to match that `re` may go through.
MOST_WAYS = 10_000_000
#: The most bytes times nodes that an automaton is followed for.
MOST_STEPS = 3_000_000
#: The most nodes of such an automaton.
MOST_SEARCHED = 30_000
#: The most times that `re` may be asked to repeat a part.
MOST_LEAST = 1_000_000
_NEWLINE = 10


def pattern_occurs(pattern: str, text: str) -> bool:
    """Whether a pattern is found anywhere in a text, as by `re.search`.

    Raises:
        PatternError: it is no regular expression, or a search would take too long.
    """
    repeats = _repeats(pattern)
    if repeats is not None and (len(text) + 1) ** (repeats + 1) <= MOST_WAYS:
        return re.search(pattern, text) is not None
    try:
        graph, first, last = _searching(pattern)
    except PatternError as error:
        raise PatternError(
            f"a search in {len(text):,} characters takes too long: {error}"
        ) from error
    content = text.encode("utf-8", "surrogatepass")
    if len(content) * len(graph.free) > MOST_STEPS:
        raise PatternError(f"a search in {len(text):,} characters takes too long")
    return _followed(graph, first, last, content)


@lru_cache(maxsize=256)
def _repeats(pattern: str) -> int | None:
    """How many parts are repeated, which `re` tries at each length; None where the ways to match
    may be exponentially many.

    Raises:
        PatternError: it is no regular expression.
    """
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise PatternError(f"it is no regular expression: {error}") from error
    return _count(parsed(pattern), inside=False)


def _count(items: Any, *, inside: bool) -> int | None:
    """The repeated parts of a parsed pattern.

    Args:
        inside: whether it is repeated itself.
    """
    total = 0
    for kind, value in items:
        match str(kind):
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                long = inside or value[0] > MOST_LEAST
                counts = [None if long else _count(value[2], inside=True)]
                total += 1
            case "SUBPATTERN":
                counts = [_count(value[3], inside=inside)]
            case "ATOMIC_GROUP":
                counts = [_count(value, inside=inside)]
            case "ASSERT" | "ASSERT_NOT":
                counts = [_count(value[1], inside=inside)]
            case "BRANCH":
                counts = [None if inside else _count(branch, inside=inside) for branch in value[1]]
            case "GROUPREF_EXISTS":
                branches = [branch for branch in value[1:] if branch is not None]
                counts = [_count(branch, inside=inside) for branch in branches]
            case _:
                counts = [0]
        for count in counts:
            if count is None:
                return None
            total += count
    return total


@lru_cache(maxsize=256)
def _searching(pattern: str) -> tuple[Graph, int, int]:
    return graph_of(pattern, MOST_SEARCHED)


def _followed(graph: Graph, first: int, last: int, content: bytes) -> bool:
    """Whether a match begins anywhere in a text."""
    start = graph.closure({(first, OPEN)}, begin=False)
    states = graph.closure({(first, OPEN)}, begin=True)
    for place, byte in enumerate(content):
        newline_left = byte == _NEWLINE and place == len(content) - 1
        if (last, OPEN) in states or (newline_left and (last, CLOSING) in states):
            return True
        reached: set[tuple[int, int]] = set()
        for node, mode in states:
            if mode == OPEN or (mode == CLOSING and byte == _NEWLINE):
                after = OPEN if mode == OPEN else CLOSED
                reached.update(
                    (to, after) for low, high, to in graph.bytes[node] if low <= byte <= high
                )
        states = graph.closure(reached, begin=False) | start
    return any(node == last for node, _ in states)
