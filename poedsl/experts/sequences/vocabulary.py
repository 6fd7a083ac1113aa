"""What the symbols of a sequence say as text, and which of them keep a text within a rule."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from poedsl.experts.protocol import State
from poedsl.experts.sequences.automata import Automaton, Irregular, matching
from poedsl.grammar.diagnostics import Diagnostic, PoeError

#: The most cells of a table of states and symbols.
CELLS = 200_000_000


@dataclass(frozen=True)
class Words:
    """What each symbol adds to a text.

    Attributes:
        pieces: the bytes of each symbol, in UTF-8, of which one symbol may hold a part alone.
        end: the symbol after which there is no text; None where there is none.
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
        """Whether every symbol is characters by itself."""
        return all(p.decode("utf-8", "ignore").encode() == p for p in self.pieces)

    def text(self, symbols: Iterable[int]) -> str:
        """Up to the end; bytes that make no character are shown as U+FFFD."""
        out = []
        for symbol in symbols:
            if symbol == self.end:
                break
            out.append(self.pieces[symbol])
        return b"".join(out).decode("utf-8", "replace")

    def texts(self, symbols: Int[Tensor, "L n"]) -> list[str]:
        return list(map(self.text, symbols.tolist()))

    def follows(self, automaton: Automaton, device: torch.device) -> Int[Tensor, "S V"]:
        """The state after each symbol; two more hold what has ended, accepted or not.

        Raises:
            Irregular: there are too many states for so many symbols.
        """
        states, size = len(automaton), len(self)
        if states * size > CELLS:
            raise Irregular(f"{states} states are too many for {size} symbols")
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


class Acceptor:
    """Sequences of symbols whose `Words.text` an automaton accepts, as a `Sequential`.

    No prefix is a dead end: a symbol is possible where what is left of the sequence suffices to
    reach an accepted text. How probable it is looks ahead: by the chance h that the text will be
    accepted if the symbols to come are independent, each as ``guess`` has it at its place.

    Args:
        guess: log of the probability of each symbol at each place, or of anything in proportion.
        normalised: whether conditionals are probabilities, h after over h before; else the first
            one is h after alone, so that the product over a whole sequence is one where it is
            accepted, whatever was guessed.

    Attributes:
        possible: whether there is any such sequence.

    Raises:
        Irregular: there are too many states for so many symbols.
    """

    def __init__(
        self, automaton: Automaton, words: Words, guess: Float[Tensor, "n V"], *, normalised: bool
    ) -> None:
        self.words, self.vocabulary, self.normalised = words, len(words), normalised
        automaton = automaton if words.whole else automaton.decoded()
        self.table = words.follows(automaton, guess.device)
        ended = torch.tensor([True, False], device="cpu")
        accepts = torch.cat([automaton.accepts, ended]).to(guess.device)
        self.ahead = [accepts.double().log()]
        for log_chances in guess.double().flip(0):
            rows = [(log_chances + self.ahead[-1][row.long()]).logsumexp(0) for row in self.table]
            self.ahead.append(torch.stack(rows))
        self.possible = bool(self.ahead[-1][0] > -math.inf)

    def begin(self, count: int) -> tuple[State, Float[Tensor, "{count} V"]]:
        start = torch.zeros(count, 1, dtype=torch.long, device=self.table.device)
        return (start, start), self.conditionals(start, start)

    def read(
        self, state: State, symbols: Int[Tensor, "L m"]
    ) -> tuple[State, Float[Tensor, "L m V"]]:
        at, place = state
        logs = []
        for symbol in symbols.unbind(1):
            at, place = self.table[at, symbol[:, None]].long(), place + 1
            logs.append(self.conditionals(at, place))
        return (at, place), torch.stack(logs, 1)

    def conditionals(
        self, at: Int[Tensor, "L 1"], place: Int[Tensor, "L 1"]
    ) -> Float[Tensor, "L V"]:
        """Of the next symbol; after the last one, none."""
        done = int(place[0, 0]) if len(place) else 0
        left = len(self.ahead) - 1 - done
        if left == 0:
            return torch.zeros(len(at), self.vocabulary, device=at.device)
        states, inverse = torch.unique(at[:, 0], return_inverse=True)
        logs = self.ahead[left - 1][self.table[states].long()]
        if done or self.normalised:
            now = self.ahead[left][states, None]
            logs = torch.where(logs > -math.inf, logs - now, -math.inf)
        return logs.float()[inverse]


class Pattern:
    """Sequences over the characters of ``symbols`` that match a regular expression as a whole, all
    of them equally probable; ``over`` makes it a `Sequential`.

    Raises:
        PoeError: the expression is none of finite automata, or a character is there twice.
    """

    def __init__(self, pattern: str, symbols: str, *, device: torch.device) -> None:
        whole = symbols.encode("utf-8", "ignore").decode() == symbols
        if not symbols or not whole or len(set(symbols)) < len(symbols):
            raise _unfit(f"`symbols` of `Automaton` are different characters, and not {symbols!r}")
        self.pattern, self.device = pattern, device
        self.words = Words(tuple(c.encode() for c in symbols))
        try:
            self.automaton = matching(pattern)
        except ValueError as error:
            raise _unfit(f"`pattern` of `Automaton` cannot be {pattern!r}: {error}") from error

    def over(self, length: int) -> Acceptor:
        """On sequences of so many symbols.

        Raises:
            PoeError: none of them matches.
        """
        try:
            even = torch.zeros(length, len(self.words), device=self.device)
            acceptor = Acceptor(self.automaton, self.words, even, normalised=True)
        except Irregular as error:
            raise _unfit(f"`pattern` of `Automaton`: {error}") from error
        if not acceptor.possible:
            raise _unfit(f"no sequence of {length} symbols matches {self.pattern!r}")
        return acceptor


def _unfit(message: str) -> PoeError:
    return PoeError((Diagnostic("P0307", message),))
