"""Regular expressions of Python as nondeterministic finite automata over bytes.

A pattern is parsed by Python's own parser, so that it has the same meaning as in `re`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from poedsl.catalog.character_classes import character_ranges, utf8_ranges

#: The most nodes of an automaton.
MOST_NODES = 200_000


class PatternError(ValueError):
    """A pattern without a finite automaton that is small enough; the message says why."""


#: What may follow: any text, at most a newline, nothing.
OPEN, CLOSING, CLOSED = range(3)


@dataclass(slots=True)
class Graph:
    r"""A nondeterministic automaton: nodes with edges that read a byte, and edges that read none.

    Attributes:
        bytes: of each node, the first and last byte and the target of every edge. free: of each
            node, the condition and the target of every edge that reads nothing; conditions are ""
            for none, "begin", "end" (as ``$``) and "close" (as ``\Z``).
        most: nodes that it may have.
    """

    bytes: list[list[tuple[int, int, int]]] = field(default_factory=list)
    free: list[list[tuple[str, int]]] = field(default_factory=list)
    most: int = MOST_NODES

    def new(self) -> int:
        self.bytes.append([])
        self.free.append([])
        return len(self.free) - 1

    def sequence(self, parsed: Any, start: int) -> int:
        """Add the nodes of a parsed pattern after ``start``; return the node after it."""
        for item in parsed:
            start = self.item(item, parsed.state, start)
            if len(self.free) > self.most:
                raise PatternError("it repeats too much")
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
                raise PatternError(f"{kind.lower().replace('_', ' ')} is beyond finite automata")

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
            after = self.sequence(inner, start)
            if after == start:  # It matches nothing but the empty text.
                return start
            start = after
        if str(most) == "MAXREPEAT":
            loop = self.new()
            self.free[start].append(("", loop))
            self.free[self.sequence(inner, loop)].append(("", loop))
            return loop
        end = self.new()
        for _ in range(least, int(most)):
            self.free[start].append(("", end))
            after = self.sequence(inner, start)
            if after == start:
                break
            start = after
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
            raise PatternError(f"{where.lower().replace('_', ' ')} is not followed here")
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
                ends = {"end": CLOSING, "close": CLOSED}.get(condition, OPEN)
                state = (after, max(mode, ends))
                if state not in reached:
                    reached.add(state)
                    front.append(state)
        return frozenset(reached)


def parsed(pattern: str) -> Any:
    """A pattern as Python's parser has it.

    Raises:
        PatternError: it is no regular expression.
    """
    try:
        return re._parser.parse(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise PatternError(f"it is no regular expression: {error}") from error


def graph_of(pattern: str, most: int = MOST_NODES) -> tuple[Graph, int, int]:
    """The automaton of texts that match as a whole, and its first and last node.

    Args:
        most: nodes that it may have.

    Raises:
        PatternError: the pattern is invalid, has lookarounds or back references, or too many nodes.
    """
    graph, tree = Graph(most=most), parsed(pattern)
    first = graph.new()
    try:
        return graph, first, graph.sequence(tree, first)
    except RecursionError as error:
        raise PatternError("it is nested too deeply") from error
