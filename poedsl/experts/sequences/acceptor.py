"""Experts on sequences whose text an automaton accepts."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from poedsl.experts.protocol import State
from poedsl.experts.sequences.automata import Automaton, AutomatonError
from poedsl.experts.sequences.regular_expressions import matching
from poedsl.experts.sequences.transitions import transitions
from poedsl.experts.sequences.vocabulary import Vocabulary
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError

#: The maximal number of cells of a table of transitions that are summed at once.
CELLS_AT_ONCE = 2**22


class Acceptor:
    """Sequences of symbols whose `Vocabulary.text` an automaton accepts, as a `Sequential`.

    A symbol has positive probability only if the rest of the sequence can still reach an accepted
    text. The conditional of a symbol is proportional to h, the probability that the text will be
    accepted if the remaining symbols are independent with the distributions ``guess``.

    Args:
        guess: (n, V), the unnormalised log-probability of each symbol at each position.
        normalised: whether conditionals are probabilities, the ratio of h after and before the
            symbol. Else the first one is h itself, so that the product over an accepted sequence is
            1 for every ``guess``.

    Attributes:
        possible: whether any sequence is accepted.

    Raises:
        AutomatonError: the automaton has too many states for the vocabulary.
    """

    def __init__(
        self,
        automaton: Automaton,
        tokens: Vocabulary,
        guess: Float[Tensor, "n V"],
        *,
        normalised: bool,
    ) -> None:
        self.tokens, self.vocabulary, self.normalised = tokens, len(tokens), normalised
        automaton = automaton if tokens.whole else automaton.decoded()
        self.transitions = transitions(tokens, automaton, guess.device)
        table = self.transitions.table
        ended = torch.tensor([True, False], device="cpu")
        accepts = torch.cat([automaton.accepts, ended]).to(guess.device)
        self.ahead = [accepts.double().log()]
        parts = torch.split(table, max(1, CELLS_AT_ONCE // table.shape[1]))
        for log_chances in self.transitions.log_chances(guess.double()).flip(0):
            after = [(log_chances + self.ahead[-1][part]).logsumexp(1) for part in parts]
            self.ahead.append(torch.cat(after))
        self.possible = bool(self.ahead[-1][0] > -math.inf)

    def begin(self, count: int) -> tuple[State, Float[Tensor, "{count} V"]]:
        start = torch.zeros(count, 1, dtype=torch.long, device=self.transitions.table.device)
        return (start, start), self.conditionals(start, start)

    def read(
        self, state: State, symbols: Int[Tensor, "L m"]
    ) -> tuple[State, Float[Tensor, "L m V"]]:
        at, place = state
        logs = []
        for symbol in symbols.unbind(1):
            at, place = self.transitions.after(at, symbol[:, None]), place + 1
            logs.append(self.conditionals(at, place))
        return (at, place), torch.stack(logs, 1)

    def conditionals(
        self, at: Int[Tensor, "L 1"], place: Int[Tensor, "L 1"]
    ) -> Float[Tensor, "L V"]:
        """Log-probabilities of the next symbol; zeros after the last one."""
        done = int(place[0, 0]) if len(place) else 0
        left = len(self.ahead) - 1 - done
        if left == 0:
            return torch.zeros(len(at), self.vocabulary, device=at.device)
        states, inverse = torch.unique(at[:, 0], return_inverse=True)
        logs = self.ahead[left - 1][self.transitions.table[states].long()]
        if done or self.normalised:
            now = self.ahead[left][states, None]
            logs = torch.where(logs > -math.inf, logs - now, -math.inf)
        return logs.float()[:, self.transitions.kinds][inverse]


class PatternExpert:
    """The uniform distribution over sequences of characters that match a regular expression.

    It depends on the length of the sequence: `over` gives the `Sequential`.

    Args:
        pattern: as in `re.fullmatch`. symbols: the characters that symbols stand for.

    Raises:
        PoeError: the pattern has no finite automaton, or ``symbols`` is empty or has a character
            twice (P0307).
    """

    def __init__(self, pattern: str, symbols: str, *, device: torch.device) -> None:
        whole = symbols.encode("utf-8", "ignore").decode() == symbols
        if not symbols or not whole or len(set(symbols)) < len(symbols):
            raise _unfit(f"`symbols` of `Automaton` are different characters, and not {symbols!r}")
        self.pattern, self.device = pattern, device
        self.tokens = Vocabulary(tuple(c.encode() for c in symbols))
        try:
            self.automaton = matching(pattern)
        except ValueError as error:
            raise _unfit(f"`pattern` of `Automaton` cannot be {pattern!r}: {error}") from error

    def over(self, length: int) -> Acceptor:
        """The expert over sequences of ``length`` symbols.

        Raises:
            PoeError: no sequence matches (P0307).
        """
        try:
            uniform = torch.zeros(length, len(self.tokens), device=self.device)
            acceptor = Acceptor(self.automaton, self.tokens, uniform, normalised=True)
        except AutomatonError as error:
            raise _unfit(f"`pattern` of `Automaton`: {error}") from error
        if not acceptor.possible:
            raise _unfit(f"no sequence of {length} symbols matches {self.pattern!r}")
        return acceptor


def _unfit(message: str) -> PoeError:
    return PoeError((Diagnostic("P0307", message),))
