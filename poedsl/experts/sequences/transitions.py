"""The state of an automaton after each symbol of a vocabulary.

Each symbol maps states to states, and many symbols define the same mapping: a pattern distinguishes
only a few classes of bytes, and a symbol is a sequence of bytes. Each mapping is computed once,
from the mapping of all bytes but the last, and shared by the symbols that define it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from poedsl.experts.sequences.automata import Automaton, AutomatonError, Integers, byte_classes
from poedsl.experts.sequences.vocabulary import Vocabulary

#: The maximal size of a table of states and kinds of symbols.
CELLS = 100_000_000


@dataclass(frozen=True, slots=True)
class Transitions:
    """The state after each symbol, for kinds of symbols after which it is the same.

    The last two states are those of texts that have ended, accepted and not accepted.

    Attributes:
        kinds: (V,), the kind of each symbol.
        table: (S + 2, K), the state after a symbol of each kind.
    """

    kinds: Int[Tensor, " V"]
    table: Int[Tensor, "S K"]

    def after(self, states: Int[Tensor, "*n"], symbols: Int[Tensor, "*n"]) -> Int[Tensor, "*n"]:
        """The state after one symbol."""
        return self.table[states, self.kinds[symbols]].long()

    def log_chances(self, logs: Float[Tensor, "n V"]) -> Float[Tensor, "n K"]:
        """Log-probabilities of symbols, summed for each kind."""
        kinds = self.kinds.expand(len(logs), -1)
        most = logs.new_full((len(logs), self.table.shape[1]), -math.inf)
        most = most.scatter_reduce(1, kinds, logs, "amax").clamp(min=torch.finfo(logs.dtype).min)
        shares = (logs - most.gather(1, kinds)).exp()
        return torch.zeros_like(most).scatter_add(1, kinds, shares).log() + most


def transitions(vocabulary: Vocabulary, automaton: Automaton, device: torch.device) -> Transitions:
    """The transitions of an automaton by the symbols of a vocabulary.

    Raises:
        AutomatonError: their table has more than `CELLS` cells.
    """
    states, functions = len(automaton), _Functions.of(automaton)
    texts: dict[bytes, int] = {}
    of_symbols = [
        texts.setdefault(piece.translate(functions.classes), len(texts))
        for piece in vocabulary.pieces
    ]
    used, kinds = np.unique(functions.numbered([*texts])[of_symbols], return_inverse=True)
    table = np.empty((states + 2, len(used) + 1), dtype=np.int32)
    for kind, number in enumerate(used):
        table[:states, kind] = functions.states[number]
    table[:states, -1] = np.where(automaton.accepts.numpy(), states, states + 1)
    table[states], table[states + 1] = states, states + 1
    if vocabulary.end is not None:
        kinds[vocabulary.end] = len(used)
    return Transitions(torch.from_numpy(kinds).to(device), torch.from_numpy(table).to(device))


@dataclass(slots=True)
class _Functions:
    """The functions of texts on the states of an automaton, numbered.

    Attributes:
        classes: of each byte, the class of those that act alike. steps: of each class, the state
            after each state. states: of each function, the state after each state; the first one
            is that of the empty text.
    """

    classes: bytes
    steps: Integers
    states: list[Integers]
    numbers: dict[bytes, int]
    after: dict[tuple[int, int], int] = field(default_factory=dict)

    @classmethod
    def of(cls, automaton: Automaton) -> _Functions:
        classes, steps = byte_classes(automaton.follows)
        identity = np.arange(len(automaton), dtype=np.int32)
        return cls(classes, steps, [identity], {identity.tobytes(): 0})

    def numbered(self, texts: list[bytes]) -> Integers:
        """The function of each text, whose bytes are given by their classes.

        Texts grow by a byte at a time, all together, so that each extension is looked up once.
        """
        lengths = np.array([len(text) for text in texts], dtype=np.int64)
        order, longest = np.argsort(-lengths, kind="stable"), int(lengths.max(initial=0))
        padded = b"".join(texts[i].ljust(longest, b"\0") for i in order)
        letters = np.frombuffer(padded, dtype=np.uint8).reshape(len(texts), longest)
        at = np.zeros(len(texts), dtype=np.int64)
        for place in range(letters.shape[1]):
            longer = int((lengths > place).sum())
            pairs, which = np.unique(
                at[:longer] * 256 + letters[:longer, place], return_inverse=True
            )
            after = [self.extended(*divmod(int(pair), 256)) for pair in pairs]
            at[:longer] = np.array(after)[which]
        numbers = np.empty_like(at)
        numbers[order] = at
        return numbers

    def extended(self, at: int, byte: int) -> int:
        """The function of a text and one more byte."""
        if (at, byte) in self.after:
            return self.after[at, byte]
        states = self.steps[byte][self.states[at]]
        number = self.numbers.setdefault(states.tobytes(), len(self.states))
        if number == len(self.states):
            if (number + 1) * len(states) > CELLS:
                message = f"{len(states)} states are too many for what the symbols tell apart"
                raise AutomatonError(message)
            self.states.append(states)
        self.after[at, byte] = number
        return number
