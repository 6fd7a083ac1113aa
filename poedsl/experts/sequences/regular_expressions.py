"""Regular expressions of Python as finite automata over bytes.

A pattern is parsed by Python's own parser, so that it has the same meaning as in `re`. Subset
construction (Rabin and Scott, 1959) makes the automaton deterministic.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import torch

from poedsl.catalog.pattern_graphs import (
    CLOSED,
    CLOSING,
    OPEN,
    Graph,
    PatternError,
    graph_of,
)
from poedsl.experts.sequences.automata import LIMIT, Automaton, AutomatonError

#: The most nodes in the states of an automaton together.
MOST_VISITED = 300_000


@lru_cache(maxsize=256)
def searching(pattern: str) -> Automaton:
    """The automaton of texts that contain a match, as `re.search`.

    Raises:
        AutomatonError: the pattern is invalid, has lookarounds or back references, or needs more
            than `LIMIT` states.
    """
    return _compiled(pattern, anywhere=True)


@lru_cache(maxsize=256)
def matching(pattern: str) -> Automaton:
    """The automaton of texts that match as a whole, as `re.fullmatch`; raises as `searching`."""
    return _compiled(pattern, anywhere=False)


def _compiled(pattern: str, *, anywhere: bool) -> Automaton:
    try:
        nfa, first, final = graph_of(pattern)
    except PatternError as error:
        raise AutomatonError(str(error)) from error
    start = nfa.new()
    nfa.free[start].append(("", first))
    if anywhere:
        nfa.bytes[start].append((0, 255, start))
        last = nfa.new()
        nfa.free[final].append(("", last))
        nfa.bytes[last].append((0, 255, last))
        final = last
    return _determinized(nfa, start, final, anywhere)


def _determinized(nfa: Graph, start: int, final: int, anywhere: bool) -> Automaton:
    """The deterministic automaton whose states are sets of nodes."""
    done = frozenset({(final, OPEN)})
    visited = [0]

    def closed_set(states: set[tuple[int, int]], begin: bool) -> frozenset[tuple[int, int]]:
        closed = nfa.closure(states, begin=begin)
        visited[0] += len(closed)
        if visited[0] > MOST_VISITED:
            raise AutomatonError("it takes too long to follow")
        return done if anywhere and done <= closed else closed

    numbers = {closed_set({(start, OPEN)}, True): 0}
    follows: list[list[int]] = []
    for states in (order := list(numbers)):
        row = []
        numbered: dict[frozenset[tuple[int, int]], int] = {}
        for after in _after(nfa, states):
            if after not in numbered:
                closed = closed_set(set(after), False)
                if closed not in numbers:
                    if len(numbers) >= LIMIT:
                        raise AutomatonError(f"it takes more than {LIMIT} states")
                    numbers[closed] = len(numbers)
                    order.append(closed)
                numbered[after] = numbers[closed]
            row.append(numbered[after])
        follows.append(row)
    accepts = [any(node == final for node, _ in states) for states in order]
    table = torch.tensor(follows, dtype=torch.long, device="cpu")
    return Automaton(table, torch.tensor(accepts, device="cpu")).minimal()


def _after(nfa: Graph, states: frozenset[tuple[int, int]]) -> Iterator[frozenset[tuple[int, int]]]:
    """The states after each byte."""
    reached: list[set[tuple[int, int]]] = [set() for _ in range(256)]
    for node, mode in states:
        for low, high, after in nfa.bytes[node]:
            if mode == OPEN:
                for byte in range(low, high + 1):
                    reached[byte].add((after, mode))
            elif mode == CLOSING and low <= 10 <= high:
                reached[10].add((after, CLOSED))
    return map(frozenset, reached)
