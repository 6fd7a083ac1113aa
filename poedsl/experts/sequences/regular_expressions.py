"""Regular expressions of Python as finite automata over bytes.

A pattern is parsed by Python's own parser, so that it has the same meaning as in `re`. Subset
construction (Rabin and Scott, 1959) makes the automaton deterministic.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import torch

from poedsl.experts.sequences.automata import LIMIT, Automaton, AutomatonError
from poedsl.experts.sequences.character_classes import character_ranges, utf8_ranges


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


# From a pattern to a nondeterministic automaton.

#: What may follow: any text, at most a newline, nothing.
_OPEN, _CLOSING, _CLOSED = range(3)


@dataclass(slots=True)
class _Nfa:
    r"""A nondeterministic automaton: nodes with edges that read a byte, and edges that read none.

    Attributes:
        bytes: of each node, the first and last byte and the target of every edge. free: of each
            node, the condition and the target of every edge that reads nothing; conditions are ""
            for none, "begin", "end" (as ``$``) and "close" (as ``\Z``).
    """

    bytes: list[list[tuple[int, int, int]]] = field(default_factory=list)
    free: list[list[tuple[str, int]]] = field(default_factory=list)

    def new(self) -> int:
        self.bytes.append([])
        self.free.append([])
        return len(self.free) - 1

    def sequence(self, parsed: Any, start: int) -> int:
        """Add the nodes of a parsed pattern after ``start``; return the node after it."""
        for item in parsed:
            start = self.item(item, parsed.state, start)
            if len(self.free) > 50 * LIMIT:
                raise AutomatonError("it repeats too much")
        return start

    def item(self, item: tuple[Any, Any], state: Any, start: int) -> int:
        kind, value = str(item[0]), item[1]
        match kind:
            case "SUBPATTERN":
                _, added, removed, inner = value
                if added & ~int(state.flags) or removed & int(state.flags):
                    return self.flagged(inner, added, removed, start)
                return self.sequence(inner, start)
            case "BRANCH":
                end = self.new()
                for branch in value[1]:
                    first = self.new()
                    self.free[start].append(("", first))
                    self.free[self.sequence(branch, first)].append(("", end))
                return end
            case "MAX_REPEAT" | "MIN_REPEAT":
                least, most, inner = value
                return self.repeated(least, most, inner, start)
            case "AT":
                return self.anchored(str(value), state, start)
            case "LITERAL" | "NOT_LITERAL" | "ANY" | "IN":
                return self.character(character_ranges(item, state), start)
            case _:
                raise AutomatonError(f"{kind.lower().replace('_', ' ')} is beyond finite automata")

    def flagged(self, inner: Any, added: int, removed: int, start: int) -> int:
        """A group with its own flags, such as ``(?i:...)``."""
        flags = inner.state.flags
        kinds = int(re.ASCII | re.UNICODE)
        inherited = flags & ~kinds if added & kinds else flags
        inner.state.flags = (inherited | added) & ~removed
        try:
            return self.sequence(inner, start)
        finally:
            inner.state.flags = flags

    def repeated(self, least: int, most: Any, inner: Any, start: int) -> int:
        for _ in range(least):
            start = self.sequence(inner, start)
        if str(most) == "MAXREPEAT":
            loop = self.new()
            self.free[start].append(("", loop))
            self.free[self.sequence(inner, loop)].append(("", loop))
            return loop
        end = self.new()
        for _ in range(least, int(most)):
            self.free[start].append(("", end))
            start = self.sequence(inner, start)
        self.free[start].append(("", end))
        return end

    def anchored(self, where: str, state: Any, start: int) -> int:
        end = self.new()
        condition = {
            "AT_BEGINNING": "begin",
            "AT_BEGINNING_STRING": "begin",
            "AT_END": "end",
            "AT_END_STRING": "close",
        }.get(where)
        if condition is None or (state.flags & re.MULTILINE and not where.endswith("STRING")):
            raise AutomatonError(f"{where.lower().replace('_', ' ')} is not followed here")
        self.free[start].append((condition, end))
        return end

    def character(self, ranges: tuple[tuple[int, int], ...], start: int) -> int:
        end = self.new()
        rest: dict[tuple[tuple[int, int], ...], int] = {(): end}
        for low, high in ranges:
            for sequence in utf8_ranges(low, high):
                for place in range(len(sequence) - 1, 0, -1):
                    tail = sequence[place:]
                    if tail not in rest:
                        rest[tail] = self.new()
                        self.bytes[rest[tail]].append((*tail[0], rest[tail[1:]]))
                self.bytes[start].append((*sequence[0], rest[sequence[1:]]))
        return end

    def closure(self, states: set[tuple[int, int]], *, begin: bool) -> frozenset[tuple[int, int]]:
        """All states that are reached by edges that read nothing."""
        reached, front = set(states), list(states)
        while front:
            node, mode = front.pop()
            for condition, after in self.free[node]:
                if condition == "begin" and not begin:
                    continue
                ends = {"end": _CLOSING, "close": _CLOSED}.get(condition, _OPEN)
                state = (after, max(mode, ends))
                if state not in reached:
                    reached.add(state)
                    front.append(state)
        return frozenset(reached)


def _compiled(pattern: str, *, anywhere: bool) -> Automaton:
    nfa = _Nfa()
    start = nfa.new()
    try:
        parsed = re._parser.parse(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise AutomatonError(f"it is no regular expression: {error}") from error
    if anywhere:
        nfa.bytes[start].append((0, 255, start))
    first = nfa.new()
    nfa.free[start].append(("", first))
    final = nfa.sequence(parsed, first)
    if anywhere:
        last = nfa.new()
        nfa.free[final].append(("", last))
        nfa.bytes[last].append((0, 255, last))
        final = last
    return _determinized(nfa, start, final, anywhere)


def _determinized(nfa: _Nfa, start: int, final: int, anywhere: bool) -> Automaton:
    """The deterministic automaton whose states are sets of nodes."""
    done = frozenset({(final, _OPEN)})

    def closed_set(states: set[tuple[int, int]], begin: bool) -> frozenset[tuple[int, int]]:
        closed = nfa.closure(states, begin=begin)
        return done if anywhere and done <= closed else closed

    numbers = {closed_set({(start, _OPEN)}, True): 0}
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


def _after(nfa: _Nfa, states: frozenset[tuple[int, int]]) -> Iterator[frozenset[tuple[int, int]]]:
    """The states after each byte."""
    reached: list[set[tuple[int, int]]] = [set() for _ in range(256)]
    for node, mode in states:
        for low, high, after in nfa.bytes[node]:
            if mode == _OPEN:
                for byte in range(low, high + 1):
                    reached[byte].add((after, mode))
            elif mode == _CLOSING and low <= 10 <= high:
                reached[10].add((after, _CLOSED))
    return map(frozenset, reached)
