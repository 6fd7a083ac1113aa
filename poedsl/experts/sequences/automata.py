"""Deterministic finite automata over the bytes of a text in UTF-8, and operations on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

#: The most states that an automaton may have.
LIMIT = 4000
Integers = np.ndarray[Any, np.dtype[np.signedinteger[Any]]]


def _utf8() -> Int[Tensor, "8 256"]:
    """Transitions of the automaton of UTF-8: 0 between characters, -1 where a byte is invalid.

    States 1, 2 and 5 expect one, two and three continuation bytes; 3, 4, 6 and 7 the second byte
    after E0, ED, F0 and F4 (The Unicode Standard, table 3-7).
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


class AutomatonError(ValueError):
    """A language that no automaton with up to `LIMIT` states accepts; the message says why."""


@dataclass(frozen=True, slots=True)
class Automaton:
    """A complete deterministic automaton; its initial state is 0.

    Attributes:
        follows: (S, 256), the state after each byte. accepts: (S,), the accepting states.
    """

    follows: Int[Tensor, "S 256"]
    accepts: Bool[Tensor, " S"]

    def __len__(self) -> int:
        return len(self.accepts)

    def negated(self) -> Automaton:
        """The complement: texts that it does not accept."""
        return Automaton(self.follows, ~self.accepts)

    def both(self, other: Automaton) -> Automaton:
        """The intersection: texts that both accept.

        Raises:
            AutomatonError: it has too many states.
        """
        if len(self) * len(other) > 16 * LIMIT:
            raise AutomatonError("together they have too many states")
        pairs = self.follows[:, None] * len(other) + other.follows[None]
        accepts = self.accepts[:, None] & other.accepts[None]
        return Automaton(pairs.flatten(0, 1), accepts.flatten()).minimal()

    def either(self, other: Automaton) -> Automaton:
        """The union: texts that at least one of them accepts."""
        return self.negated().both(other.negated()).negated()

    def decoded(self) -> Automaton:
        """The automaton of arbitrary bytes whose text it accepts.

        Bytes that are no valid UTF-8 are decoded as in Python, with U+FFFD for every invalid part.
        Within a character, a state holds the state before the character and the state so far.

        Raises:
            AutomatonError: it has too many states.
        """
        size = len(self)
        kinds, _ = byte_classes(torch.cat([self.follows, _UTF8]))
        byte = torch.tensor([kinds.index(kind) for kind in range(max(kinds) + 1)], device="cpu")
        replacement = self.follows[self.follows[self.follows[:, 0xEF], 0xBF], 0xBD]

        def after(states: Int[Tensor, " n"]) -> Int[Tensor, "n k"]:
            """The states after a byte of each kind."""
            rest, partial = states // 8, (states % 8)[:, None].expand(-1, len(byte))
            before, now = (s[:, None].expand(-1, len(byte)) for s in (rest // size, rest % size))
            cut = (_UTF8[partial, byte] < 0) & (partial > 0)
            before, partial = (
                torch.where(cut, replacement[before], before),
                torch.where(cut, 0, partial),
            )
            now, partial = torch.where(cut, before, now), _UTF8[partial, byte]
            now = torch.where(partial < 0, replacement[before], self.follows[now, byte])
            before, partial = torch.where(partial <= 0, now, before), partial.clamp(min=0)
            return (before * size + now) * 8 + partial

        visited = front = torch.zeros(1, dtype=torch.long, device="cpu")
        rows = []
        while len(front):
            rows.append(after(front))
            new = torch.unique(rows[-1])
            front = new[~torch.isin(new, visited)]
            visited = torch.cat([visited, front])
            if len(visited) > 8 * LIMIT:
                raise AutomatonError("with bytes that make no character it has too many states")
        order = visited.argsort()
        follows = order[torch.searchsorted(visited[order], torch.cat(rows))]
        before = visited // 8 // size
        accepts = self.accepts[torch.where(visited % 8 > 0, replacement[before], before)]
        return Automaton(follows[:, [*kinds]], accepts).minimal()

    def minimal(self) -> Automaton:
        """The smallest equivalent automaton, by partition refinement (Moore, 1956).

        The initial partition groups states by four distances in bytes: to the nearest state that
        accepts, to one that does not, to one after which all accept, and to one after which none
        does.
        """
        kinds, columns = byte_classes(self.follows)
        reachable, front = np.zeros(len(self), dtype=bool), np.zeros(1, dtype=np.int32)
        while len(front):
            reachable[front] = True
            after = np.unique(columns[:, front])
            front = after[~reachable[after]]
        number = reachable.cumsum(dtype=np.int32) - 1
        columns = np.ascontiguousarray(number[columns[:, reachable]].T)
        accepts = self.accepts.numpy()[reachable]
        near = [_distance(columns, goal) for goal in (accepts, ~accepts)]
        decided = [_distance(columns, distance == len(accepts)) for distance in near]
        classes = _numbered(np.stack([*near, *decided], 1))
        while True:
            finer = _numbered(np.concatenate([classes[:, None], classes[columns]], 1))
            if finer.max() == classes.max():
                break
            classes = finer
        first = np.unique(classes, return_index=True)[1]
        follows = classes[columns[first]][:, [*kinds]]
        return Automaton(
            torch.from_numpy(follows.astype(np.int64)), torch.from_numpy(accepts[first])
        )


def _numbered(rows: Integers) -> Integers:
    """The number of each row among the different ones, in the order in which they appear.

    Rows are grouped by a sum of products modulo 2^64, and then compared.
    """
    factors = np.random.default_rng(0).integers(1, 2**64, rows.shape[1], dtype=np.uint64)
    _, first, groups = np.unique(
        rows.astype(np.uint64) @ factors, return_index=True, return_inverse=True
    )
    if (rows != rows[first[groups]]).any():  # two different rows have the same sum
        _, first, groups = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int32)
    rank[first.argsort()] = np.arange(len(first), dtype=np.int32)
    numbers: Integers = rank[groups.reshape(-1)]
    return numbers


def byte_classes(follows: Int[Tensor, "S 256"]) -> tuple[bytes, Integers]:
    """The classes of bytes after which the state is always the same.

    Returns:
        The class of each byte, and the state after a byte of each class, (B, S).
    """
    numbers: dict[bytes, int] = {}
    columns = np.ascontiguousarray(follows.numpy().T.astype(np.int32))
    classes = [numbers.setdefault(column.tobytes(), len(numbers)) for column in columns]
    first = [classes.index(number) for number in range(len(numbers))]
    return bytes(classes), columns[first]


def _distance(columns: Integers, goal: np.ndarray[Any, np.dtype[np.bool_]]) -> Integers:
    """The number of bytes to the nearest goal; the number of states where there is no path.

    Args:
        columns: the state after a byte of each class, (S, B).
    """
    distance = np.where(goal, 0, len(goal))
    while ((nearer := distance[columns].min(1) + 1) < distance).any():
        distance = np.minimum(distance, nearer)
    return distance


def shorter(count: int) -> Automaton:
    """Texts with fewer than ``count`` characters; each character has one byte that is no
    continuation byte.
    """
    states = max(count, 0) + 1
    begins = torch.ones(256, dtype=torch.long, device="cpu")
    begins[0x80:0xC0] = 0
    state = torch.arange(states, device="cpu")
    follows = (state[:, None] + begins).clamp(max=states - 1)
    return Automaton(follows, state < count)
