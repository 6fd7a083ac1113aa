"""Finite automata over the bytes of a text: regular expressions, and what is said of them.

They are told characters in UTF-8; `Automaton.decoded` makes one for any bytes.

A pattern is read by Python's own parser, so that it means what it means there; a class of
characters is told by trying it on every character. Subset construction (Rabin and Scott, 1959)
makes it deterministic, partition refinement (Moore, 1956) small.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor

#: The most states that an automaton may have.
LIMIT = 4000
_SURROGATES = range(0xD800, 0xE000)


def _utf8() -> Int[Tensor, "8 256"]:
    """What is to come of a character after each byte, 0 for nothing; -1 where it is none.

    The bytes to come: 1, 2 and 5 are any one, two and three; 3, 4, 6 and 7 what may follow E0, ED,
    F0 and F4 (The Unicode Standard, table 3-7).
    """
    ranges = (
        "00-7F:0 C2-DF:1 E0-E0:3 E1-EC:2 ED-ED:4 EE-EF:2 F0-F0:6 F1-F3:5 F4-F4:7",
        "80-BF:0",
        "80-BF:1",
        "A0-BF:1",
        "80-9F:1",
        "80-BF:2",
        "90-BF:2",
        "80-8F:2",
    )
    table = torch.full((8, 256), -1, device="cpu")
    for state, listed in enumerate(ranges):
        for part in listed.split():
            low, high = (int(part[k : k + 2], 16) for k in (0, 3))
            table[state, low : high + 1] = int(part[6:])
    return table


_UTF8 = _utf8()


class Irregular(ValueError):
    """A pattern that no automaton of a bearable size accepts; the text says why."""


@dataclass(frozen=True, slots=True)
class Automaton:
    """Complete and deterministic; it begins in state 0.

    Attributes:
        follows: the state after each byte. accepts: whether a text may end in a state.
    """

    follows: Int[Tensor, "S 256"]
    accepts: Bool[Tensor, " S"]

    def __len__(self) -> int:
        return len(self.accepts)

    def negated(self) -> Automaton:
        return Automaton(self.follows, ~self.accepts)

    def both(self, other: Automaton) -> Automaton:
        """Texts that both accept.

        Raises:
            Irregular: that takes too many states.
        """
        if len(self) * len(other) > 16 * LIMIT:
            raise Irregular("together they have too many states")
        pairs = self.follows[:, None] * len(other) + other.follows[None]
        accepts = self.accepts[:, None] & other.accepts[None]
        return Automaton(pairs.flatten(0, 1), accepts.flatten()).minimal()

    def either(self, other: Automaton) -> Automaton:
        """Texts that one of them accepts."""
        return self.negated().both(other.negated()).negated()

    def decoded(self) -> Automaton:
        """Bytes of which the text accepts that they make, one U+FFFD for each part that makes no
        character, as Python decodes them.

        Of a character that has begun, a state holds those before it and after it so far.

        Raises:
            Irregular: that takes too many states.
        """
        size, byte = len(self), torch.arange(256, device="cpu")
        odd = self.follows[self.follows[self.follows[:, 0xEF], 0xBF], 0xBD]

        def after(states: Int[Tensor, " n"]) -> Int[Tensor, "n 256"]:
            rest, begun = states // 8, (states % 8)[:, None].expand(-1, 256)
            before, now = (s[:, None].expand(-1, 256) for s in (rest // size, rest % size))
            cut = (_UTF8[begun, byte] < 0) & (begun > 0)
            before, begun = torch.where(cut, odd[before], before), torch.where(cut, 0, begun)
            now, begun = torch.where(cut, before, now), _UTF8[begun, byte]
            now = torch.where(begun < 0, odd[before], self.follows[now, byte])
            before, begun = torch.where(begun <= 0, now, before), begun.clamp(min=0)
            return (before * size + now) * 8 + begun

        known = front = torch.zeros(1, dtype=torch.long, device="cpu")
        rows = []
        while len(front):
            rows.append(after(front))
            new = torch.unique(rows[-1])
            front = new[~torch.isin(new, known)]
            known = torch.cat([known, front])
            if len(known) > 8 * LIMIT:
                raise Irregular("with bytes that make no character it has too many states")
        order = known.argsort()
        follows = order[torch.searchsorted(known[order], torch.cat(rows))]
        before = known // 8 // size
        accepts = self.accepts[torch.where(known % 8 > 0, odd[before], before)]
        return Automaton(follows, accepts).minimal()

    def minimal(self) -> Automaton:
        """The smallest that accepts the same."""
        here = torch.zeros(len(self), dtype=torch.bool, device="cpu")
        front = torch.zeros(1, dtype=torch.long, device="cpu")
        while len(front):
            here[front] = True
            after = torch.unique(self.follows[front])
            front = after[~here[after]]
        place = here.cumsum(0) - 1
        follows, accepts = place[self.follows[here]], self.accepts[here]
        different = torch.unique(follows, dim=1)
        away = torch.stack([_distance(different, goal) for goal in (accepts, ~accepts)], 1)
        classes = torch.unique(away, dim=0, return_inverse=True)[1]
        while True:
            rows = torch.cat([classes[:, None], classes[different]], 1)
            finer = torch.unique(rows, dim=0, return_inverse=True)[1]
            if finer.max() == classes.max():
                break
            classes = finer
        count = int(classes.max()) + 1
        order = (classes - classes[0]) % count
        first = torch.empty(count, dtype=torch.long, device="cpu")
        first[order.flip(0)] = torch.arange(len(order), device="cpu").flip(0)
        return Automaton(order[follows[first]], accepts[first])


def _distance(follows: Int[Tensor, "S B"], goal: Bool[Tensor, " S"]) -> Int[Tensor, " S"]:
    """Bytes to the nearest goal; as many as there are states where none is reached."""
    away = torch.where(goal, 0, len(goal))
    while bool(((nearer := away[follows].amin(1) + 1) < away).any()):
        away = torch.minimum(away, nearer)
    return away


@lru_cache(maxsize=256)
def searching(pattern: str) -> Automaton:
    """Texts in which a pattern is found anywhere.

    Raises:
        Irregular: it is no pattern, looks around or back, or takes too many states.
    """
    return _compiled(pattern, anywhere=True)


@lru_cache(maxsize=256)
def matching(pattern: str) -> Automaton:
    """Texts that are matched as a whole; raises what `searching` raises."""
    return _compiled(pattern, anywhere=False)


def shorter(count: int) -> Automaton:
    """Texts of fewer characters than that: a character begins with no continuation byte."""
    states = max(count, 0) + 1
    begins = torch.ones(256, dtype=torch.long, device="cpu")
    begins[0x80:0xC0] = 0
    each = torch.arange(states, device="cpu")
    follows = (each[:, None] + begins).clamp(max=states - 1)
    return Automaton(follows, each < count)


# From a pattern to an automaton that may be in many states at once.

#: What is known of the text still to come: anything, nothing but perhaps a newline, nothing.
_OPEN, _CLOSING, _CLOSED = range(3)


@dataclass(slots=True)
class _Nodes:
    r"""Nodes with edges that take a byte, and edges that take none.

    Attributes:
        bytes: of each node, first and last byte, and where they lead. free: where it leads at once,
            under what condition: "" for none, "begin", "end" (as ``$``) or "close" (as ``\Z``).
    """

    bytes: list[list[tuple[int, int, int]]] = field(default_factory=list)
    free: list[list[tuple[str, int]]] = field(default_factory=list)

    def new(self) -> int:
        self.bytes.append([])
        self.free.append([])
        return len(self.free) - 1

    def sequence(self, parsed: Any, start: int) -> int:
        """Nodes for a parsed pattern from a node on; the node after it."""
        for item in parsed:
            start = self.item(item, parsed.state, start)
            if len(self.free) > 50 * LIMIT:
                raise Irregular("it repeats too much")
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
                return self.character(_characters(item, state), start)
            case _:
                raise Irregular(f"{kind.lower().replace('_', ' ')} is beyond finite automata")

    def flagged(self, inner: Any, added: int, removed: int, start: int) -> int:
        """A part under flags of its own."""
        flags = inner.state.flags
        kinds = int(re.ASCII | re.UNICODE)
        kept = flags & ~kinds if added & kinds else flags
        inner.state.flags = (kept | added) & ~removed
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
            raise Irregular(f"{where.lower().replace('_', ' ')} is not followed here")
        self.free[start].append((condition, end))
        return end

    def character(self, ranges: tuple[tuple[int, int], ...], start: int) -> int:
        end = self.new()
        rest: dict[tuple[tuple[int, int], ...], int] = {(): end}
        for low, high in ranges:
            for sequence in _encoded(low, high):
                for place in range(len(sequence) - 1, 0, -1):
                    tail = sequence[place:]
                    if tail not in rest:
                        rest[tail] = self.new()
                        self.bytes[rest[tail]].append((*tail[0], rest[tail[1:]]))
                self.bytes[start].append((*sequence[0], rest[sequence[1:]]))
        return end

    def closure(self, states: set[tuple[int, int]], *, begin: bool) -> frozenset[tuple[int, int]]:
        """Where edges that take nothing lead too."""
        found, front = set(states), list(states)
        while front:
            node, mode = front.pop()
            for condition, after in self.free[node]:
                if condition == "begin" and not begin:
                    continue
                ends = {"end": _CLOSING, "close": _CLOSED}.get(condition, _OPEN)
                state = (after, max(mode, ends))
                if state not in found:
                    found.add(state)
                    front.append(state)
        return frozenset(found)


def _compiled(pattern: str, *, anywhere: bool) -> Automaton:
    nodes = _Nodes()
    start = nodes.new()
    try:
        parsed = re._parser.parse(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise Irregular(f"it is no regular expression: {error}") from error
    if anywhere:
        nodes.bytes[start].append((0, 255, start))
    first = nodes.new()
    nodes.free[start].append(("", first))
    final = nodes.sequence(parsed, first)
    if anywhere:
        last = nodes.new()
        nodes.free[final].append(("", last))
        nodes.bytes[last].append((0, 255, last))
        final = last
    return _determined(nodes, start, final, anywhere)


def _determined(nodes: _Nodes, start: int, final: int, anywhere: bool) -> Automaton:
    """Sets of nodes as states."""
    done = frozenset({(final, _OPEN)})

    def settled(states: set[tuple[int, int]], begin: bool) -> frozenset[tuple[int, int]]:
        closed = nodes.closure(states, begin=begin)
        return done if anywhere and done <= closed else closed

    numbers = {settled({(start, _OPEN)}, True): 0}
    follows: list[list[int]] = []
    for states in (order := list(numbers)):
        row = []
        known: dict[frozenset[tuple[int, int]], int] = {}
        for after in _after(nodes, states):
            if after not in known:
                closed = settled(set(after), False)
                if closed not in numbers:
                    if len(numbers) >= LIMIT:
                        raise Irregular(f"it takes more than {LIMIT} states")
                    numbers[closed] = len(numbers)
                    order.append(closed)
                known[after] = numbers[closed]
            row.append(known[after])
        follows.append(row)
    accepts = [any(node == final for node, _ in states) for states in order]
    table, ends = (torch.tensor(rows, device="cpu") for rows in (follows, accepts))
    return Automaton(table, ends).minimal()


def _after(
    nodes: _Nodes, states: frozenset[tuple[int, int]]
) -> Iterator[frozenset[tuple[int, int]]]:
    """Where each byte leads."""
    reached: list[set[tuple[int, int]]] = [set() for _ in range(256)]
    for node, mode in states:
        for low, high, after in nodes.bytes[node]:
            if mode == _OPEN:
                for byte in range(low, high + 1):
                    reached[byte].add((after, mode))
            elif mode == _CLOSING and low <= 10 <= high:
                reached[10].add((after, _CLOSED))
    return map(frozenset, reached)


# Characters.


@lru_cache(maxsize=1)
def _every() -> str:
    """Every character once, at its number; surrogates are none."""
    return "".join(map(chr, range(0x110000)))


def _characters(item: tuple[Any, Any], state: Any) -> tuple[tuple[int, int], ...]:
    """First and last of every range of characters that a part of a pattern takes."""
    if str(item[0]) == "LITERAL" and not state.flags & re.IGNORECASE:
        return tuple(_without_surrogates(item[1], item[1]))
    return _tried(repr(item), item, state)


_KNOWN: dict[tuple[str, int], tuple[tuple[int, int], ...]] = {}


def _tried(key: str, item: tuple[Any, Any], state: Any) -> tuple[tuple[int, int], ...]:
    flags = int(state.flags)
    if (key, flags) not in _KNOWN:
        parser, compiler = re._parser, re._compiler  # type: ignore[attr-defined]
        parsed = parser.SubPattern(parser.State(), [item])
        parsed.state.flags = flags
        runs = parser.SubPattern(parsed.state, [(parser.MAX_REPEAT, (1, parser.MAXREPEAT, parsed))])
        found = compiler.compile(runs, flags).finditer(_every())
        spans = [(m.start(), m.end() - 1) for m in found]
        _KNOWN[key, flags] = tuple(r for low, high in spans for r in _without_surrogates(low, high))
    return _KNOWN[key, flags]


def _without_surrogates(low: int, high: int) -> Iterator[tuple[int, int]]:
    for first, last in (
        (low, min(high, _SURROGATES.start - 1)),
        (max(low, _SURROGATES.stop), high),
    ):
        if first <= last:
            yield first, last


def _encoded(low: int, high: int) -> Iterator[tuple[tuple[int, int], ...]]:
    """A range of characters as sequences of ranges of bytes, in UTF-8."""
    for edge in (0x7F, 0x7FF, 0xFFFF):
        if low <= edge < high:
            yield from _encoded(low, edge)
            yield from _encoded(edge + 1, high)
            return
    first, last = chr(low).encode(), chr(high).encode()
    for place in range(1, len(first)):
        mask = (1 << 6 * place) - 1
        if low & ~mask == high & ~mask:
            continue
        if low & mask:
            yield from _encoded(low, low | mask)
            yield from _encoded((low | mask) + 1, high)
            return
        if high & mask != mask:
            yield from _encoded(low, (high & ~mask) - 1)
            yield from _encoded(high & ~mask, high)
            return
    yield tuple(zip(first, last, strict=True))
