"""The prefix path: a sequence grows by what its experts propose (Zhang et al., 3.3 and C.2).

The target of a stage is the product of the experts' prefix marginals, prod_i p_i(y_1 .. y_k)^(w_i).
The next symbol is drawn from the normalised product of the conditionals, and its normaliser is the
weight; Gibbs steps draw blocks of the prefix anew.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from poedsl.experts.protocol import Sequential, State
from poedsl.runtime import potentials
from poedsl.runtime.loop import Annealer
from poedsl.runtime.path import FlowPath, Interval, Stage
from poedsl.runtime.space import Space
from poedsl.runtime.state import Gathered, Particles
from poedsl.runtime.target import Target


@dataclass(frozen=True, slots=True)
class Reader:
    """An expert on the places ``start`` to ``stop - 1`` of a sequence, to a power."""

    name: str
    place: str
    expert: Sequential
    exponent: float
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Reading(Gathered):
    """What the experts make of a prefix.

    Attributes:
        states: what each has read.
        following: sum_i w_i log p_i(next symbol | prefix), for each symbol.
    """

    states: tuple[State, ...]
    following: Float[Tensor, "L V"]


@dataclass(frozen=True, slots=True)
class Symbols(Space):
    """Variables side by side as they are: whole numbers without centre and scale."""

    def values(self, z: Shaped[Tensor, "L n"]) -> dict[str, Shaped[Tensor, "L ..."]]:
        """Each variable in its own shape."""
        return {
            name: z[:, self.slice(name)].view(-1, *shape) for name, shape in self.shapes.items()
        }


@dataclass(slots=True)
class SequenceTarget(Target):
    """The product of a plan over sequences."""

    readers: tuple[Reader, ...] = ()

    @property
    def vocabulary(self) -> int:
        return max(r.expert.vocabulary for r in self.readers)

    @property
    def factor_exponents(self) -> dict[str, float]:
        readers = {r.name: r.exponent for r in self.readers}
        return readers | {t.name: t.exponent for t in self.tilts}

    def begin(self, count: int) -> Reading:
        """Of empty prefixes."""
        empty = torch.zeros(count, 0, dtype=torch.long, device=self.space.loc.device)
        return self._read((((),) * len(self.readers)), 0, empty, first=True)[0]

    def read(
        self, reading: Reading, place: int, symbols: Int[Tensor, "L m"]
    ) -> tuple[Reading, Float[Tensor, "L m V"]]:
        """Read on from ``place``; what follows each symbol.

        Returns:
            The experts' states after the last one, and the logs of the products of conditionals.
        """
        return self._read(reading.states, place, symbols)

    def _read(
        self,
        states: tuple[State, ...],
        place: int,
        symbols: Int[Tensor, "L m"],
        first: bool = False,
    ) -> tuple[Reading, Float[Tensor, "L _ V"]]:
        count, read = symbols.shape
        ahead = place + (0 if first else 1)
        stop = place + read + 1
        total = torch.zeros(count, stop - ahead, self.vocabulary, device=symbols.device)
        after: list[State] = []
        for reader, old in zip(self.readers, states, strict=True):
            state = old
            if ahead <= reader.start < stop:
                state, own = reader.expert.begin(count)
                self._add(total[:, reader.start - ahead], reader, own)
            low, high = max(place, reader.start), min(place + read, reader.stop - 1)
            if low < high:
                state, own = reader.expert.read(state, symbols[:, low - place : high - place])
                self._add(total[:, low + 1 - ahead : high + 1 - ahead], reader, own)
                self._count(reader.name, count * (high - low))
            after.append(state)
        return Reading(tuple(after), total[:, -1]), total

    def _add(self, total: Tensor, reader: Reader, own: Tensor) -> None:
        size = reader.expert.vocabulary
        total[..., :size] += torch.where(own == -math.inf, -math.inf, reader.exponent * own)
        total[..., size:] = -math.inf

    def log_values(self, x: Shaped[Tensor, "L n"]) -> dict[str, Float[Tensor, " L"]]:
        """Each factor's own log value."""
        symbols = x.long()
        out: dict[str, Tensor] = {}
        for reader in self.readers:
            own = symbols[:, reader.start : reader.stop]
            state, first = reader.expert.begin(len(x))
            _, later = reader.expert.read(state, own[:, :-1])
            logs = torch.cat([first[:, None], later], 1)
            out[reader.name] = logs.gather(2, own[..., None]).sum((1, 2))
        return {**out, **Target.log_values(self, symbols)} if self.tilts else out

    def faults(self, x: Shaped[Tensor, "L n"], stage: Stage) -> Iterator[tuple[str, str, int]]:
        """Each factor's name, place and number of sequences at which it is not a number."""
        values = self.log_values(x)
        places = {r.name: r.place for r in self.readers} | {t.name: t.place for t in self.tilts}
        for name, value in values.items():
            yield name, places[name], int((torch.isnan(value) | (value == math.inf)).sum())


def prefix_path(steps: int, length: int, device: torch.device) -> FlowPath:
    """A stage for each of ``steps`` sections of nearly one length; ``alpha`` squared is the share
    of the sequence that is there.
    """
    flow = FlowPath.build(steps, torch.ones(1, device=device))
    ends = (round(k * length / steps) for k in range(steps + 1))
    stages = (Stage(steps + 1 - k, math.sqrt(e / length), 0.0) for k, e in enumerate(ends))
    return replace(flow, stages=tuple(stages))


@dataclass(slots=True)
class PrefixAnnealer(Annealer):
    """The loop over prefixes: what it does at the start, in a move and in a kernel step."""

    target: SequenceTarget

    def length(self, stage: Stage) -> int:
        """How many symbols there are at a stage."""
        return round(stage.beta * self.target.space.size)

    def start(self, stage: Stage) -> None:
        """Empty prefixes."""
        count, device = self.noise.size * self.noise.swarms, self.noise.device
        slots = torch.arange(count, device=device)
        zeros = torch.zeros(count, dtype=torch.float64, device=device)
        x = torch.zeros(count, self.target.space.size, dtype=torch.long, device=device)
        peak = potentials.start(self.options.potential, zeros)
        at = self.target.begin(count)
        self.particles = Particles(x, zeros, zeros, zeros, zeros, peak, slots, at)
        self.found()

    def move(self, stage: Stage, step: Interval) -> None:
        """Y <- y and its next section; log w += the normalisers."""
        p, reading, first = self.particles, self.reading, self.length(self.stage)
        x, gain = p.x.clone(), torch.zeros_like(p.log_weights)
        uniforms = self.noise.uniform(self.length(stage) - first, stage.t, "move")
        for place, uniform in enumerate(uniforms.unbind(1), first):
            x[:, place], normaliser = drawn(reading.following, uniform)
            gain = gain + normaliser
            reading, _ = self.target.read(reading, place, x[:, place : place + 1])
        if self.options.correct == "none":
            gain = torch.where(gain == -math.inf, gain, 0.0)
        self.particles = replace(p, x=x, at=reading, log_weights=p.log_weights + gain)
        self.stage = stage

    def kernel(self, stage: Stage) -> float | None:
        """K times y <- y with a block drawn anew."""
        o, length = self.options, self.length(stage)
        if o.kernel != "gibbs":
            return None
        block = min(o.block, length)
        uniforms = self.noise.blocks(block + 1, stage.t, o.kernel_steps)
        places = self.noise.shared(stage.t, "block", o.kernel_steps)[0] * (length - block + 1)
        rates = []
        for uniform, place in zip(uniforms, places.long().tolist(), strict=True):
            p = self.particles
            x, at, chance = gibbs(self.target, p.x, length, place, block, uniform)
            rates.append(chance.mean())
            self.particles = replace(p, x=x, at=at)
        return float(torch.stack(rates).mean())

    @property
    def at(self) -> None:
        """None: a prefix is at no point of a space."""
        return None

    @property
    def reading(self) -> Reading:
        assert isinstance(self.particles.at, Reading)
        return self.particles.at

    def evaluations(self, stage: Stage) -> int:
        """One of all experts for the section, and one for each Gibbs step."""
        return 1 + (self.options.kernel_steps if self.options.kernel == "gibbs" else 0)


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


def gibbs(
    target: SequenceTarget,
    x: Int[Tensor, "L n"],
    length: int,
    place: int,
    block: int,
    uniform: Float[Tensor, "L b"],
) -> tuple[Int[Tensor, "L n"], Reading, Float[Tensor, " L"]]:
    """Draw ``block`` symbols from ``place`` on anew, given the rest of the first ``length``.

    They are proposed from the products of conditionals, one after another, and accepted by what
    that makes of the symbols after them (Metropolis within Gibbs; exactly invariant).

    Args:
        uniform: for each symbol of the block, and one to accept by.

    Returns:
        The sequences, what the experts make of them, and the probabilities of acceptance.
    """
    before = target.begin(len(x))
    if place:
        before, _ = target.read(before, 0, x[:, :place])
    own, after = target.read(before, place, x[:, place:length])
    old = _weight(
        torch.cat([before.following[:, None], after[:, :-1]], 1), x[:, place:length], block
    )
    y, reading, gain = x.clone(), before, torch.zeros_like(old)
    for k in range(block):
        y[:, place + k], normaliser = drawn(reading.following, uniform[:, k])
        gain = gain + normaliser
        reading, _ = target.read(reading, place + k, y[:, place + k, None])
    tail = y[:, place + block : length]
    if tail.shape[1]:
        following = reading.following[:, None]
        reading, after = target.read(reading, place + block, tail)
        gain = gain + _weight(torch.cat([following, after[:, :-1]], 1), tail, 0)
    chance = (gain - old).clamp(max=0.0).exp().nan_to_num(nan=0.0)
    kept = accepted(chance, uniform[:, -1])
    return torch.where(kept[:, None], y, x), reading.where(kept, own), chance


def accepted(chance: Float[Tensor, " L"], uniform: Float[Tensor, " L"]) -> Bool[Tensor, " L"]:
    """Which proposals are taken."""
    return uniform < chance


def _weight(
    following: Float[Tensor, "L m V"], symbols: Int[Tensor, "L m"], block: int
) -> Float[Tensor, " L"]:
    """Log of the target over that of the proposal: normalisers of the first ``block`` symbols,
    conditionals of those after them.
    """
    logs = following.double()
    taken = logs.gather(2, symbols[..., None])[..., 0]
    return logs[:, :block].logsumexp(-1).sum(1) + taken[:, block:].sum(1)
