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


def transitions(words: Vocabulary, automaton: Automaton, device: torch.device) -> Transitions:
    """The transitions of an automaton by the symbols of a vocabulary.

    Raises:
        AutomatonError: their table has more than `CELLS` cells.
    """
    states, functions = len(automaton), _Functions.of(automaton)
    known: dict[bytes, int] = {}
    kinds = np.empty(len(words), dtype=np.int64)
    for symbol, piece in enumerate(words.pieces):
        text = piece.translate(functions.classes)
        if text not in known:
            known[text] = functions.number(text)
        kinds[symbol] = known[text]
    used, kinds = np.unique(kinds, return_inverse=True)
    table = np.empty((states + 2, len(used) + 1), dtype=np.int32)
    for kind, number in enumerate(used):
        table[:states, kind] = functions.states[number]
    table[:states, -1] = np.where(automaton.accepts.numpy(), states, states + 1)
    table[states], table[states + 1] = states, states + 1
    if words.end is not None:
        kinds[words.end] = len(used)
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

    def number(self, text: bytes) -> int:
        """The function of a text, whose bytes are given by their classes."""
        at = 0
        for byte in text:
            found = self.after.get((at, byte))
            at = self.extended(at, byte) if found is None else found
        return at

    def extended(self, at: int, byte: int) -> int:
        """The function of a text and one more byte."""
        states = self.steps[byte][self.states[at]]
        number = self.numbers.setdefault(states.tobytes(), len(self.states))
        if number == len(self.states):
            if (number + 1) * len(states) > CELLS:
                message = f"{len(states)} states are too many for what the symbols tell apart"
                raise AutomatonError(message)
            self.states.append(states)
        self.after[at, byte] = number
        return number
