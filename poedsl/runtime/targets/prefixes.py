"""The prefix path: a sequence grows by what its experts propose (Zhang et al., 3.3 and C.2).

The target of a stage is the product of the experts' prefix marginals, prod_i p_i(y_1 .. y_k)^(w_i).
The next symbol is drawn from the normalised product of the conditionals, and its normaliser is the
weight; Gibbs steps draw blocks of the prefix anew.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from poedsl.compiler.plan.costs import LOOK_AHEAD
from poedsl.experts.protocol import Sequential, State
from poedsl.experts.sequences.acceptor import Acceptor
from poedsl.runtime.core.faults import FactorFault
from poedsl.runtime.core.particles import ParticleTensors
from poedsl.runtime.space.coordinates import Space
from poedsl.runtime.targets.prefix_stages import PrefixStage
from poedsl.runtime.targets.target import Target

#: The most conditionals that are held at once where whole sequences are evaluated.
ROWS = 2**27
#: The share of all symbols alike in what rules take to come.
UNIFORM_SHARE = 0.02


@dataclass(frozen=True, slots=True)
class SequenceFactor:
    """An expert on the places ``start`` to ``stop - 1`` of a sequence, to a power."""

    name: str
    place: str
    expert: Sequential
    exponent: float
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class TextRule:
    """Conditions on the text of a variable, whose symbols are ``start`` to ``stop - 1``.

    Attributes:
        name: of the conditions, with their places.
        factors: each condition's name and place.
    """

    name: str
    factors: tuple[tuple[str, str], ...]
    expert: Acceptor
    start: int
    stop: int
    exponent: float = 1.0


@dataclass(frozen=True, slots=True)
class PrefixEvaluation(ParticleTensors):
    """The evaluation of the experts at a prefix.

    Attributes:
        states: of each expert after the prefix.
        following: sum_i w_i log p_i(next symbol | prefix), for each symbol that the rules allow.
        allowed_shares: log of the share of that product which each rule allows.
        endless: whether each expert that divides has probability zero for a symbol that all else
            allows; it is no longer among those that follow.
    """

    states: tuple[State, ...]
    following: Float[Tensor, "L V"]
    allowed_shares: Float[Tensor, "L R"]
    endless: Bool[Tensor, "L D"]

    def part(self, start: int, stop: int) -> PrefixEvaluation:
        """Of some of the particles."""
        return self._each(lambda rows: rows[start:stop])


@dataclass(frozen=True, slots=True)
class Symbols(Space):
    """Variables side by side as they are: whole numbers without centre and scale."""

    def values(self, z: Shaped[Tensor, "L n"]) -> dict[str, Shaped[Tensor, "L ..."]]:
        """Each variable in its own shape."""
        return self.shaped(z)

    def shaped(self, z: Shaped[Tensor, "L n"]) -> dict[str, Shaped[Tensor, "L ..."]]:
        """Each variable in its own shape."""
        return {
            name: z[:, self.slice(name)].view(-1, *shape) for name, shape in self.shapes.items()
        }


@dataclass(frozen=True, slots=True)
class SequenceTarget(Target):
    """The product of a plan over sequences.

    Attributes:
        rules: conditions on text, each as an expert that says yes or no; at the end they weigh with
            the other conditions.
    """

    sequence_factors: tuple[SequenceFactor, ...] = ()
    rules: tuple[TextRule, ...] = ()

    @property
    def vocabulary(self) -> int:
        return max(r.expert.vocabulary for r in self.sequence_factors)

    @property
    def divisors(self) -> tuple[SequenceFactor, ...]:
        return tuple(r for r in self.sequence_factors if r.exponent < 0)

    @property
    def factor_exponents(self) -> dict[str, float]:
        exponents = {r.name: r.exponent for r in self.sequence_factors}
        return exponents | {t.name: t.exponent for t in self.reward_factors}

    def begin(self, count: int) -> PrefixEvaluation:
        """Of empty prefixes."""
        empty = torch.zeros(count, 0, dtype=torch.long, device=self.space.loc.device)
        states = ((),) * (len(self.sequence_factors) + len(self.rules))
        return self._read(states, 0, empty, first=True)[0]

    def read(
        self, evaluation: PrefixEvaluation, place: int, symbols: Int[Tensor, "L m"]
    ) -> tuple[PrefixEvaluation, Float[Tensor, "L m V"]]:
        """Read on from ``place``; what follows each symbol.

        Returns:
            The experts' states after the last one, and the logs of the products of conditionals.
        """
        count, size = len(symbols), self.microbatch or len(symbols)
        if size >= count:
            return self._read(evaluation.states, place, symbols)
        cuts = [(at, at + size) for at in range(0, count, size)]
        parts = [self._read(evaluation.part(*c).states, place, symbols[slice(*c)]) for c in cuts]
        readings = [p[0] for p in parts]
        return readings[0].joined(readings[1:]), torch.cat([p[1] for p in parts])

    def _read(
        self,
        states: tuple[State, ...],
        place: int,
        symbols: Int[Tensor, "L m"],
        first: bool = False,
    ) -> tuple[PrefixEvaluation, Float[Tensor, "L _ V"]]:
        count, width = symbols.shape
        ahead = place + (0 if first else 1)
        stop = place + width + 1
        shape = (count, stop - ahead, self.vocabulary)
        total = torch.zeros(shape, dtype=torch.float32, device=symbols.device)
        after: list[State] = []
        allowed_shares: list[Tensor] = []
        endless: list[Tensor] = []
        experts: tuple[SequenceFactor | TextRule, ...] = (*self.sequence_factors, *self.rules)
        for factor, old in zip(experts, states, strict=True):
            free = _bounded(total[:, -1]) if isinstance(factor, TextRule) else None
            state = old
            if ahead <= factor.start < stop:
                state, logs = factor.expert.begin(count)
                self._add(total[:, factor.start - ahead], factor, logs)
            low, high = max(place, factor.start), min(place + width, factor.stop - 1)
            if low < high:
                state, logs = factor.expert.read(state, symbols[:, low - place : high - place])
                self._add(total[:, low + 1 - ahead : high + 1 - ahead], factor, logs)
                self._count(factor.name, count * (high - low))
            after.append(state)
            if free is not None:
                allowed = torch.where(total[:, -1] > -math.inf, free, -math.inf)
                share = allowed.logsumexp(-1) - free.logsumexp(-1)
                allowed_shares.append(torch.where(share.isnan(), 0.0, share))
            if factor.exponent < 0:
                endless.append(total[:, -1] == math.inf)
        still = [(e & (total[:, -1] == math.inf)).any(-1) for e in endless]
        total = _bounded(total)
        shares = torch.stack(allowed_shares, 1) if allowed_shares else total.new_zeros(count, 0)
        lost = torch.stack(still, 1) if still else total.new_zeros(count, 0, dtype=torch.bool)
        return PrefixEvaluation(tuple(after), total[:, -1], shares, lost), total

    def _add(self, total: Tensor, factor: SequenceFactor | TextRule, logs: Tensor) -> None:
        """Add an expert's log probabilities times its exponent.

        Where either side is -inf the sum is -inf, and an exponent of 0 adds nothing.
        """
        size, exponent = factor.expert.vocabulary, factor.exponent
        total[..., size:] = -math.inf
        if exponent:
            product, power = total[..., :size], exponent * logs
            none = (product == -math.inf) | (power == -math.inf)
            product.copy_(torch.where(none, -math.inf, product + power))

    def log_values(self, x: Shaped[Tensor, "L n"]) -> dict[str, Float[Tensor, " L"]]:
        """Each factor's own log value."""
        return self._log_values(x)

    def _log_values(self, x: Shaped[Tensor, "L n"]) -> dict[str, Float[Tensor, " L"]]:
        symbols = x.long()
        most = max(1, ROWS // (symbols.shape[1] * self.vocabulary))
        chunks = torch.split(symbols, min(most, self.microbatch or len(symbols)))
        out = {
            r.name: torch.cat([self._log_value(r, c) for c in chunks])
            for r in self.sequence_factors
        }
        return {**out, **Target._log_values(self, symbols)} if self.reward_factors else out

    def _log_value(
        self, factor: SequenceFactor, symbols: Int[Tensor, "L n"]
    ) -> Float[Tensor, " L"]:
        part = symbols[:, factor.start : factor.stop]
        state, first = factor.expert.begin(len(part))
        logs = first[:, None]
        if part.shape[1] > 1:
            logs = torch.cat([logs, factor.expert.read(state, part[:, :-1])[1]], 1)
        return logs.gather(2, part[..., None]).sum((1, 2))

    def faults(self, x: Shaped[Tensor, "L n"], stage: PrefixStage) -> Iterator[FactorFault]:
        """Each factor, with the number of sequences at which it is not a number."""
        values = self.log_values(x)
        places = {r.name: r.place for r in self.sequence_factors} | {
            t.name: t.place for t in self.reward_factors
        }
        for name, value in values.items():
            bad = int((torch.isnan(value) | (value == math.inf)).sum())
            yield FactorFault(name, places[name], bad)


def foreseen(
    target: SequenceTarget, watch: Callable[[int, int], None] | None = None
) -> Float[Tensor, "n V"]:
    """Log of the probability of each symbol at each place: the mean of the products of conditionals
    over a few sequences that are drawn from them, with a share of all symbols alike.

    Args:
        watch: is called with the number of places that are done, and of all.
    """
    drawing = torch.Generator("cpu").manual_seed(0)
    length = target.space.size
    shape = (LOOK_AHEAD, length)
    uniforms = torch.rand(shape, generator=drawing, dtype=torch.float32, device="cpu")
    evaluation, rows = target.begin(LOOK_AHEAD), []
    with torch.no_grad():
        for place, uniform in enumerate(uniforms.to(target.space.loc.device).unbind(1), 1):
            rows.append(evaluation.following.softmax(-1).nan_to_num(nan=0.0).mean(0))
            if place < length:
                symbols, _ = drawn(evaluation.following, uniform)
                evaluation, _ = target.read(evaluation, place - 1, symbols[:, None])
            if watch is not None:
                watch(place, length)
    return torch.stack(rows).mul(1 - UNIFORM_SHARE).add(UNIFORM_SHARE / target.vocabulary).log()


def drawn(
    following: Float[Tensor, "L V"], uniform: Float[Tensor, " L"]
) -> tuple[Int[Tensor, " L"], Float[Tensor, " L"]]:
    """Symbols from the product of conditionals, and the logs of its normalisers; where there are
    none, symbol 0.
    """
    normaliser = following.double().logsumexp(-1)
    probabilities = (following.double() - normaliser[:, None]).exp().nan_to_num(nan=0.0)
    below = probabilities.cumsum(-1)
    chosen = (below <= uniform.double()[:, None] * below[:, -1:]).sum(-1)
    last = following.shape[-1] - 1 - (probabilities > 0).flip(-1).int().argmax(-1)
    return torch.where(normaliser == -math.inf, 0, torch.minimum(chosen, last)), normaliser


def _bounded(logs: Float[Tensor, "*n V"]) -> Float[Tensor, "*n V"]:
    """Without what was divided by zero."""
    return torch.where(logs == math.inf, -math.inf, logs)
