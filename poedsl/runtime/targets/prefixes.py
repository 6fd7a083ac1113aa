"""The prefix path: a sequence grows by what its experts propose (Zhang et al., 3.3 and C.2).

The target of a stage is the product of the experts' prefix marginals, prod_i p_i(y_1 .. y_k)^(w_i).
The next symbol is drawn from the normalised product of the conditionals, and its normaliser is the
weight; Gibbs steps draw blocks of the prefix anew.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from poedsl.experts.protocol import Sequential, State
from poedsl.runtime.build.text_rules import Rule
from poedsl.runtime.path.noising_path import FlowPath, Interval, Stage
from poedsl.runtime.smc import potentials
from poedsl.runtime.smc.loop import Annealer
from poedsl.runtime.smc.particles import Gathered, Particles
from poedsl.runtime.space.coordinates import Space
from poedsl.runtime.targets.target import Target

#: The share below which a condition counts as a bottleneck.
TIGHT = 0.05
#: The most conditionals that are held at once where whole sequences are judged.
ROWS = 2**27
#: Sequences from which rules guess what comes, and the share of all symbols alike in that guess.
PILOTS, EVEN = 64, 0.02


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
        following: sum_i w_i log p_i(next symbol | prefix), for each symbol that the rules allow.
        kept: log of the share of that product which each rule allows.
        endless: whether each expert that divides has probability zero for a symbol that all else
            allows; it is no longer among those that follow.
    """

    states: tuple[State, ...]
    following: Float[Tensor, "L V"]
    kept: Float[Tensor, "L R"]
    endless: Bool[Tensor, "L D"]

    def part(self, start: int, stop: int) -> Reading:
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


@dataclass(slots=True)
class SequenceTarget(Target):
    """The product of a plan over sequences.

    Attributes:
        rules: conditions on text, each as an expert that says yes or no; at the end they weigh with
            the other conditions.
    """

    readers: tuple[Reader, ...] = ()
    rules: tuple[Rule, ...] = ()

    @property
    def vocabulary(self) -> int:
        return max(r.expert.vocabulary for r in self.readers)

    @property
    def divisors(self) -> tuple[Reader, ...]:
        return tuple(r for r in self.readers if r.exponent < 0)

    @property
    def factor_exponents(self) -> dict[str, float]:
        readers = {r.name: r.exponent for r in self.readers}
        return readers | {t.name: t.exponent for t in self.tilts}

    def begin(self, count: int) -> Reading:
        """Of empty prefixes."""
        empty = torch.zeros(count, 0, dtype=torch.long, device=self.space.loc.device)
        states = ((),) * (len(self.readers) + len(self.rules))
        return self._read(states, 0, empty, first=True)[0]

    def read(
        self, reading: Reading, place: int, symbols: Int[Tensor, "L m"]
    ) -> tuple[Reading, Float[Tensor, "L m V"]]:
        """Read on from ``place``; what follows each symbol.

        Returns:
            The experts' states after the last one, and the logs of the products of conditionals.
        """
        count, size = len(symbols), self.microbatch or len(symbols)
        if size >= count:
            return self._read(reading.states, place, symbols)
        cuts = [(at, at + size) for at in range(0, count, size)]
        parts = [self._read(reading.part(*c).states, place, symbols[slice(*c)]) for c in cuts]
        readings = [p[0] for p in parts]
        return readings[0].joined(readings[1:]), torch.cat([p[1] for p in parts])

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
        total = torch.zeros(
            count, stop - ahead, self.vocabulary, dtype=torch.float32, device=symbols.device
        )
        after: list[State] = []
        kept: list[Tensor] = []
        endless: list[Tensor] = []
        seen: tuple[Reader | Rule, ...] = (*self.readers, *self.rules)
        for reader, old in zip(seen, states, strict=True):
            free = _bounded(total[:, -1]) if isinstance(reader, Rule) else None
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
            if free is not None:
                allowed = torch.where(total[:, -1] > -math.inf, free, -math.inf)
                share = allowed.logsumexp(-1) - free.logsumexp(-1)
                kept.append(torch.where(share.isnan(), 0.0, share))
            if reader.exponent < 0:
                endless.append(total[:, -1] == math.inf)
        still = [(e & (total[:, -1] == math.inf)).any(-1) for e in endless]
        total = _bounded(total)
        shares = torch.stack(kept, 1) if kept else total.new_zeros(count, 0)
        lost = torch.stack(still, 1) if still else total.new_zeros(count, 0, dtype=torch.bool)
        return Reading(tuple(after), total[:, -1], shares, lost), total

    def _add(self, total: Tensor, reader: Reader | Rule, own: Tensor) -> None:
        """Zero times anything is zero, and nothing else to the power 0 has a say."""
        size, exponent = reader.expert.vocabulary, reader.exponent
        total[..., size:] = -math.inf
        if exponent:
            product, power = total[..., :size], exponent * own
            none = (product == -math.inf) | (power == -math.inf)
            product.copy_(torch.where(none, -math.inf, product + power))

    def log_values(self, x: Shaped[Tensor, "L n"]) -> dict[str, Float[Tensor, " L"]]:
        """Each factor's own log value."""
        return self._log_values(x)

    def _log_values(self, x: Shaped[Tensor, "L n"]) -> dict[str, Float[Tensor, " L"]]:
        symbols = x.long()
        most = max(1, ROWS // (symbols.shape[1] * self.vocabulary))
        chunks = torch.split(symbols, min(most, self.microbatch or len(symbols)))
        out = {r.name: torch.cat([self._log_value(r, c) for c in chunks]) for r in self.readers}
        return {**out, **Target._log_values(self, symbols)} if self.tilts else out

    def _log_value(self, reader: Reader, symbols: Int[Tensor, "L n"]) -> Float[Tensor, " L"]:
        own = symbols[:, reader.start : reader.stop]
        state, first = reader.expert.begin(len(own))
        logs = first[:, None]
        if own.shape[1] > 1:
            logs = torch.cat([logs, reader.expert.read(state, own[:, :-1])[1]], 1)
        return logs.gather(2, own[..., None]).sum((1, 2))

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
    flow = FlowPath.build(steps, torch.ones(1, dtype=torch.float32, device=device))
    ends = (round(k * length / steps) for k in range(steps + 1))
    stages = (Stage(steps + 1 - k, math.sqrt(e / length), 0.0) for k, e in enumerate(ends))
    return replace(flow, stages=tuple(stages))


@dataclass(slots=True)
class PrefixAnnealer(Annealer):
    """The loop over prefixes: what it does at the start, in a move and in a kernel step.

    Attributes:
        tight: of each rule, the least share that it allowed of what the experts proposed, and the
            stage at which it did.
        endless: experts by which the sum over all sequences is divided by zero.
    """

    target: SequenceTarget
    tight: dict[str, tuple[float, int]] = field(default_factory=dict)
    endless: list[str] = field(default_factory=list)

    def length(self, stage: Stage) -> int:
        """How many symbols there are at a stage."""
        return round(stage.beta * self.target.space.size)

    def start(self, stage: Stage) -> None:
        """Empty prefixes."""
        count, device = self.noise.size * self.noise.islands, self.noise.device
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
            self.watch(reading, p.log_weights + gain, stage)
            x[:, place], normaliser = drawn(reading.following, uniform)
            gain = gain + normaliser
            reading, _ = self.target.read(reading, place, x[:, place : place + 1])
        if self.options.correct == "none":
            gain = torch.where(gain == -math.inf, gain, 0.0)
        self.particles = replace(p, x=x, at=reading, log_weights=p.log_weights + gain)
        self.stage = stage

    def watch(self, reading: Reading, log_weights: Float[Tensor, " L"], stage: Stage) -> None:
        """Note how much each rule allows, and what allows nothing at all."""
        alive = log_weights > -math.inf
        if not bool(alive.any()):
            return
        shares = log_weights.softmax(0) @ reading.kept.double().exp()
        for rule, share in zip(self.target.rules, shares.tolist(), strict=True):
            if share < self.tight.get(rule.name, (1.0, 0))[0]:
                self.tight[rule.name] = share, stage.t
        lost = reading.endless[alive].any(0).tolist()
        for reader in (r for r, e in zip(self.target.divisors, lost, strict=True) if e):
            name = f"`{reader.name}` at {reader.place}"
            if name not in self.endless:
                self.endless.append(name)
                self.warnings.append(
                    f"{name} divides by zero at stage {stage.t}: a symbol that all else allows has "
                    "no chance there, and sequences with it are left out"
                )
        if bool((reading.following[alive] > -math.inf).any()):
            return
        closed = (reading.kept[alive] == -math.inf).all(0).tolist()
        names = [r.name for r, shut in zip(self.target.rules, closed, strict=True) if shut]
        self.warnings.append(
            f"no particle can go on at stage {stage.t}: {names[0]} allows no symbol"
            if names
            else f"no particle can go on at stage {stage.t}: the experts have no symbol in common"
        )

    def settle(self) -> None:
        """The last reward correction, with a word on what few particles outlive."""
        p = self.particles
        weights = p.log_weights.softmax(0).nan_to_num()
        env = self.target.environment.with_values(self.target.space.values(p.x))
        for name, (share, t) in self.tight.items():
            if 0 < share < TIGHT:
                self.warnings.append(
                    f"{name} is a bottleneck: at stage {t} it allows {share:.2g} of what the "
                    "experts propose; `kernel = gibbs()` revisits what was written before"
                )
        for tilt in self.target.judges:
            if tilt.kind != "where":
                continue
            holds = tilt.log_value(env).expand(len(p.x)) == 0
            share, count = float(weights @ holds.double()), int((holds & (weights > 0)).sum())
            if share < TIGHT:
                self.warnings.append(
                    f"`{tilt.name}` at {tilt.place} is a bottleneck: it holds for {count} of "
                    f"{len(p.x)} particles at the end; conditions on text alone (`contains`, "
                    "`matches`, `length`) are kept on the way"
                )
        super(PrefixAnnealer, self).settle()

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


def foreseen(target: SequenceTarget) -> Float[Tensor, "n V"]:
    """Log of the probability of each symbol at each place: the mean of the products of conditionals
    over a few sequences that are drawn from them, with a share of all symbols alike.
    """
    drawing = torch.Generator("cpu").manual_seed(0)
    uniforms = torch.rand(
        PILOTS, target.space.size, generator=drawing, dtype=torch.float32, device="cpu"
    )
    reading, rows = target.begin(PILOTS), []
    with torch.no_grad():
        for place, uniform in enumerate(uniforms.to(target.space.loc.device).unbind(1)):
            rows.append(reading.following.softmax(-1).nan_to_num(nan=0.0).mean(0))
            symbols, _ = drawn(reading.following, uniform)
            reading, _ = target.read(reading, place, symbols[:, None])
    target.calls.clear()
    return torch.stack(rows).mul(1 - EVEN).add(EVEN / target.vocabulary).log()


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


def _bounded(logs: Float[Tensor, "*n V"]) -> Float[Tensor, "*n V"]:
    """Without what was divided by zero."""
    return torch.where(logs == math.inf, -math.inf, logs)


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
