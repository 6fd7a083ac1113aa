"""Experts on sequences of symbols with tables for conditionals."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from poedsl.experts.protocol import State
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError


class Markov:
    """A Markov chain over symbols 0 to V - 1.

    Args:
        initial: (V,), probabilities of the first symbol. transition: (V, V), a row for each symbol,
            with the probabilities of what follows it.

    Raises:
        PoeError: these are no probabilities, or their sizes differ (P0307).
    """

    def __init__(
        self,
        initial: Float[Tensor, "..."] | float,
        transition: Float[Tensor, "..."] | float,
        *,
        device: torch.device,
    ) -> None:
        first, follows = _table(initial, "initial", 1), _table(transition, "transition", 2)
        if follows.shape != (len(first), len(first)):
            raise _unfit(
                f"`initial` is over {len(first)} symbols, and `transition` is "
                f"{' x '.join(map(str, follows.shape))}"
            )
        self.initial, self.transition = first.to(device), follows.to(device)
        self.vocabulary = len(first)

    def begin(self, count: int) -> tuple[State, Float[Tensor, "{count} V"]]:
        return (), self.initial.expand(count, -1)

    def read(
        self, state: State, symbols: Int[Tensor, "L m"]
    ) -> tuple[State, Float[Tensor, "L m V"]]:
        return (), self.transition[symbols]


class Categorical:
    """Independent symbols 0 to V - 1.

    Args:
        probs: (V,), the same at every position, or (n, V), a row for each position.
        logits: their logarithms, up to a constant of each row, in place of ``probs``.

    Raises:
        PoeError: these are no probabilities (P0307).
    """

    def __init__(
        self,
        probs: Float[Tensor, "..."] | float | None = None,
        logits: Float[Tensor, "..."] | float | None = None,
        *,
        device: torch.device,
    ) -> None:
        if logits is not None:
            probs = torch.as_tensor(logits, dtype=torch.float64).softmax(-1)
        assert probs is not None
        probs = torch.as_tensor(probs)
        table = _table(probs, "probs", probs.dim() if probs.dim() in (1, 2) else 1)
        self.rows = (table if table.dim() == 2 else table[None]).to(device)
        self.vocabulary = self.rows.shape[-1]

    def over(self, length: int) -> Categorical:
        """The expert over sequences of ``length`` symbols: itself.

        Raises:
            PoeError: it has fewer rows (P0307).
        """
        if 1 < len(self.rows) < length:
            raise _unfit(f"`probs` has {len(self.rows)} rows, and the sequence {length} symbols")
        return self

    def begin(self, count: int) -> tuple[State, Float[Tensor, "{count} V"]]:
        read = torch.zeros(count, 1, dtype=torch.long, device=self.rows.device)
        return (read,), self.rows[:1].expand(count, -1)

    def read(
        self, state: State, symbols: Int[Tensor, "L m"]
    ) -> tuple[State, Float[Tensor, "L m V"]]:
        (read,) = state
        places = read + torch.arange(1, symbols.shape[1] + 1, device=symbols.device)
        if len(self.rows) == 1:
            places = torch.zeros_like(places)
        return (read + symbols.shape[1],), self.rows[places]


def _table(values: Tensor | float, name: str, rank: int) -> Float[Tensor, "*n V"]:
    """Log-probabilities of a table whose last size is that of the symbols.

    Raises:
        PoeError: values are negative, do not sum to one, or have another rank (P0307).
    """
    values = torch.as_tensor(values)
    if values.dim() != rank:
        description = {1: "a vector", 2: "a matrix"}[rank]
        raise _unfit(
            f"`{name}` is {description} of probabilities, and this has {values.dim()} sizes"
        )
    table = values.double()
    if bool((table < 0).any()) or not bool(((table.sum(-1) - 1).abs() < 1e-4).all()):
        raise _unfit(f"`{name}` holds probabilities that sum to one, and these do not")
    return (table / table.sum(-1, keepdim=True)).log().float()


def _unfit(message: str) -> PoeError:
    return PoeError((Diagnostic("P0307", message),))
