"""The particles at stages of a run before resampling, those without descendants too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from poedsl.runtime.core.random_numbers import Noise
from poedsl.runtime.core.state import SavedState
from poedsl.runtime.smc.population import Population, StageT
from poedsl.runtime.smc.resampler import Resampler

#: From a population to the predicted endpoints of its particles.
Endpoints = Callable[[Population[Any]], Tensor]
#: Numbers that all snapshots of a run may hold together.
MOST_NUMBERS = 2**24


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All particles at one stage, before resampling.

    Attributes:
        index: of the stage, 0 for the first. t: its number.
        endpoints: predicted endpoints, in the coordinates of the run.
        rewards: counted so far, exponents included; None where the product has none.
        log_weights: with which the stage is resampled, logsumexp 0 where there is any weight.
        resampled: whether the stage was resampled.
        length: how many components are there; fewer of a prefix.
    """

    index: int
    t: int
    endpoints: Shaped[Tensor, "L whole"]
    rewards: Float[Tensor, " L"] | None
    log_weights: Float[Tensor, " L"]
    resampled: bool
    length: int

    def state(self) -> SavedState:
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True, slots=True)
class WatchedResampler(Resampler):
    """A resampler that passes on a population before it copies any of its particles.

    Attributes:
        before_resampling: is called with the population.
    """

    before_resampling: Callable[[Population[Any]], None] = field(kw_only=True)

    def __call__(
        self, population: Population[StageT], rng: Noise, *, equal_weights: bool = False
    ) -> Population[StageT]:
        self.before_resampling(population)
        return Resampler.__call__(self, population, rng, equal_weights=equal_weights)

    def after_last_potential(
        self, population: Population[StageT], rng: Noise
    ) -> Population[StageT]:
        self.before_resampling(population)
        return Resampler.after_last_potential(self, population, rng)


@dataclass(slots=True)
class SnapshotCollector:
    """Keeps snapshots of a run whose number of stages need not be known: the first and the last
    stage, and of those that are resampled, and of the others, so many evenly spaced ones.

    Attributes:
        most: of either kind; of more every second one is dropped.
        rewarded: whether particles carry rewards.
        seen: how many stages of either kind there were, by whether they were resampled.
        kept: snapshots of either kind.
        first_and_last: snapshots of these two stages.
    """

    most: int
    rewarded: bool
    seen: dict[bool, int] = field(default_factory=lambda: {False: 0, True: 0})
    kept: dict[bool, list[Snapshot]] = field(default_factory=lambda: {False: [], True: []})
    first_and_last: list[Snapshot] = field(default_factory=list)
    _waiting: Population[Any] | None = None

    @classmethod
    def of(cls, stages: int, numbers: int, rewarded: bool) -> SnapshotCollector:
        """For at most so many stages of either kind; fewer, or none, of large populations.

        Args:
            numbers: how many the particles of one stage have together.
        """
        room = MOST_NUMBERS // max(1, numbers)
        return cls(max(0, min(stages, (room - 2) // 2)), rewarded)

    def before_resampling(self, population: Population[Any]) -> None:
        """A population that may be resampled now; later ones of the same stage count as long as no
        particle was copied.
        """
        if self.most and population.parents is population.slots:
            self._waiting = population

    def after_stage(
        self, population: Population[Any], index: int, endpoints: Endpoints, length: int
    ) -> None:
        """A stage that is done.

        Args:
            index: of the stage, 0 for the first. length: how many components the particles have.
        """
        before, self._waiting = self._waiting, None
        if not self.most:
            return
        resampled = population.resampled
        copied = population.parents is not population.slots
        shown = before if copied and before is not None else population
        if index == 0 or population.stage.t == 1:
            self.first_and_last.append(self._snapshot(shown, resampled, index, endpoints, length))
            return
        kept, due = self.kept[resampled], self.seen[resampled] % self._stride(resampled) == 0
        self.seen[resampled] += 1
        if due:
            kept.append(self._snapshot(shown, resampled, index, endpoints, length))
        if len(kept) > self.most:
            del kept[1::2]

    def _stride(self, resampled: bool) -> int:
        """Every how many stages one is kept; it doubles whenever half of those kept are dropped."""
        stride = 1
        while self.seen[resampled] > stride * self.most:
            stride *= 2
        return stride

    def _snapshot(
        self,
        population: Population[Any],
        resampled: bool,
        index: int,
        endpoints: Endpoints,
        length: int,
    ) -> Snapshot:
        """What is kept of a population."""
        weights = population.total_log_weights
        if bool(torch.isfinite(weights).any()):
            weights = weights - torch.logsumexp(weights, 0)
        rewards = population.particles.rewards.total.cpu() if self.rewarded else None
        predicted = endpoints(population).detach().cpu()
        t = population.stage.t
        return Snapshot(index, t, predicted, rewards, weights.cpu(), resampled, length)

    def shown(self) -> tuple[Snapshot, ...]:
        """The first and the last stage, and between them those resampled, or else the others."""
        between = self.kept[True] or self.kept[False]
        return tuple(sorted([*self.first_and_last, *between], key=lambda s: s.index))

    def state(self) -> SavedState:
        return {
            "seen": [self.seen[False], self.seen[True]],
            "kept": [[s.state() for s in self.kept[flag]] for flag in (False, True)],
            "first_and_last": [s.state() for s in self.first_and_last],
        }

    def restore(self, state: SavedState) -> None:
        """The snapshots of a `state` in the place of these."""
        self.seen = dict(zip((False, True), state["seen"], strict=True))
        for flag, kept in zip((False, True), state["kept"], strict=True):
            self.kept[flag] = [Snapshot(**s) for s in kept]
        self.first_and_last = [Snapshot(**s) for s in state["first_and_last"]]
