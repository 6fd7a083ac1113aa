"""The text of the symbols of a sequence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from jaxtyping import Int
from torch import Tensor

from poedsl.experts.sequences.automata import Automaton, AutomatonError

#: The maximal size of a table of states and symbols.
CELLS = 200_000_000


@dataclass(frozen=True)
class Vocabulary:
    """The bytes that each symbol adds to a text.

    Attributes:
        pieces: the bytes of each symbol in UTF-8; a symbol may be a part of a character.
        end: the symbol that ends a text; None where there is none.
    """

    pieces: tuple[bytes, ...]
    end: int | None = None
    _hash: int = field(init=False, repr=False, compare=False, default=0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.pieces, self.end)))

    def __hash__(self) -> int:
        return self._hash

    def __len__(self) -> int:
        return len(self.pieces)

    @property
    def whole(self) -> bool:
        """Whether every symbol consists of complete characters."""
        return all(p.decode("utf-8", "ignore").encode() == p for p in self.pieces)

    def text(self, symbols: Iterable[int]) -> str:
        """The text up to the end symbol; invalid bytes become U+FFFD."""
        out = []
        for symbol in symbols:
            if symbol == self.end:
                break
            out.append(self.pieces[symbol])
        return b"".join(out).decode("utf-8", "replace")

    def texts(self, symbols: Int[Tensor, "L n"]) -> list[str]:
        """The text of each sequence."""
        return list(map(self.text, symbols.tolist()))

    def follows(self, automaton: Automaton, device: torch.device) -> Int[Tensor, "S V"]:
        """The state of an automaton after each symbol, (S + 2, V).

        The last two states are those of texts that have ended, accepted and not accepted.

        Raises:
            AutomatonError: the table has more than `CELLS` cells.
        """
        states, size = len(automaton), len(self)
        if states * size > CELLS:
            raise AutomatonError(f"{states} states are too many for {size} symbols")
        lengths = torch.tensor([len(p) for p in self.pieces], device="cpu")
        order = lengths.argsort(descending=True)
        longest = int(lengths.max()) if size else 0
        text = b"".join(self.pieces[i].ljust(longest, b"\0") for i in order.tolist())
        rows = torch.frombuffer(bytearray(text or b"\0"), dtype=torch.uint8)
        rows = rows[: size * longest].view(size, longest).to(device).long()
        counts = (lengths[:, None] > torch.arange(longest, device="cpu")).sum(0).tolist()
        step = automaton.follows.to(device, torch.int32)
        at = torch.arange(states, dtype=torch.int32, device=device)[:, None].repeat(1, size)
        for place, count in enumerate(counts):
            at[:, :count] = step[at[:, :count].long(), rows[:count, place]]
        table = torch.empty(states + 2, size, dtype=torch.int32, device=device)
        table[:states, order.to(device)] = at
        table[states], table[states + 1] = states, states + 1
        if self.end is not None:
            ended = torch.where(automaton.accepts, states, states + 1)
            table[:states, self.end] = ended.to(device, torch.int32)
        return table
