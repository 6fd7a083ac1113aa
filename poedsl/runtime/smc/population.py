"""The population: particles of one or several islands, their evidence so far, and their stage."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from poedsl.runtime.core.particles import Particles, ParticleTensors, RewardMemory
from poedsl.runtime.core.state import SavedState
from poedsl.runtime.kernels.step_size import StepSize
from poedsl.runtime.smc.evidence_contributions import EvidenceContributions
from poedsl.runtime.smc.resampling_schemes import effective_sample_size, ess_and_log_mean

#: Particles whose components all correlate less than this with their past are independent of it.
FORGOTTEN = 0.25


@runtime_checkable
class Stage(Protocol):
    """One distribution of a path.

    Attributes:
        t: its number, ``steps`` + 1 at the start and 1 at the end.
        beta: how far along the path it is, from 0 to 1.
    """

    @property
    def t(self) -> int: ...

    @property
    def beta(self) -> float: ...


#: The stages of one path.
StageT = TypeVar("StageT", bound=Stage)


class Potential(NamedTuple):
    """What a weight gains at a stage, and what it then holds of the rewards."""

    log_increment: Float[Tensor, " L"]
    rewards: RewardMemory


class Lineages(NamedTuple):
    """Log weights since the last resampling, and the eve index of each particle."""

    log_weights: Float[Tensor, " L"]
    eve_indices: Int[Tensor, " L"]


@dataclass(frozen=True, slots=True)
class Population(Generic[StageT]):
    """All particles at a stage; islands stand one after another, each of the same size.

    Attributes:
        accumulated_log_evidence: of each island, up to its last resampling.
        log_mean_weights: log of each island's mean weight since then.
        sizes: effective sample size of each island, by the weights since then.
        resamplings: how often each island was resampled.
        ess: effective sample size of the whole population, the least since the stage began.
        slots: 0 to L - 1.
        parents: the slot at the stage before that each particle was copied from.
        unique_ancestors: how many particles of the first stage have descendants.
        resampled: whether any island was resampled at this stage.
        step_size: of the kernel.
        acceptance: of the kernel at this stage; None where it accepts every proposal.
        kernel_steps: how many steps of the kernel there were at this stage; None without any.
        correlation: the largest one of a component with where it was before these steps; None if
            it was not measured.
        exhausted: whether steps ran out before correlations were low enough.
        contributions: of the particles to log Z, from which its variance is estimated.
        before_last_draw: log weights and eve indices before particles of equal weight were drawn.
    """

    particles: Particles
    stage: StageT
    accumulated_log_evidence: Float[Tensor, " S"]
    log_mean_weights: Float[Tensor, " S"]
    sizes: Float[Tensor, " S"]
    resamplings: Int[Tensor, " S"]
    ess: float
    slots: Int[Tensor, " L"]
    parents: Int[Tensor, " L"]
    unique_ancestors: int
    resampled: bool
    step_size: StepSize
    contributions: EvidenceContributions
    acceptance: float | None = None
    kernel_steps: int | None = None
    correlation: float | None = None
    exhausted: bool = False
    before_last_draw: Lineages | None = None

    @classmethod
    def start(
        cls, particles: Particles, stage: StageT, islands: int, step_size: StepSize
    ) -> Population[StageT]:
        """The population of the first stage."""
        device = particles.x.device
        accumulated_log_evidence = torch.zeros(islands, dtype=torch.float64, device=device)
        resamplings = torch.zeros(islands, dtype=torch.long, device=device)
        slots = particles.eve_indices
        first = cls(
            particles=particles,
            stage=stage,
            accumulated_log_evidence=accumulated_log_evidence,
            log_mean_weights=accumulated_log_evidence,
            sizes=accumulated_log_evidence,
            resamplings=resamplings,
            ess=math.inf,
            slots=slots,
            parents=slots,
            unique_ancestors=len(slots),
            resampled=False,
            step_size=step_size,
            contributions=EvidenceContributions.start(
                slots, particles.log_weights.view(islands, -1)
            ),
        )
        return first.measured()

    def state(self) -> SavedState:
        """Every field by its name; of the stage its number and how far along the path it is."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            **values,
            "particles": self.particles.state(),
            "stage": {"t": self.stage.t, "beta": self.stage.beta},
            "step_size": self.step_size.state(),
            "contributions": self.contributions.state(),
        }

    @classmethod
    def restored(
        cls, state: SavedState, stage: StageT, evaluation_type: type[ParticleTensors]
    ) -> Population[StageT]:
        """From a `state`.

        Args:
            evaluation_type: the type of what particles carry of the experts.
        """
        drawn = state["before_last_draw"]
        nested = {
            "particles": Particles.restored_with(state["particles"], evaluation_type),
            "stage": stage,
            "step_size": StepSize.restored(state["step_size"]),
            "contributions": EvidenceContributions.restored(state["contributions"]),
            "before_last_draw": None if drawn is None else Lineages(*drawn),
        }
        return cls(**{**state, **nested})

    @property
    def islands(self) -> int:
        return len(self.accumulated_log_evidence)

    @property
    def island_log_weights(self) -> Float[Tensor, "S n"]:
        return self.particles.log_weights.view(self.islands, -1)

    @property
    def total_log_weights(self) -> Float[Tensor, " L"]:
        """Weights comparable between islands: the accumulated log evidence, and the weights
        since.
        """
        return (self.island_log_weights + self.accumulated_log_evidence[:, None]).flatten()

    @property
    def island_evidence(self) -> Float[Tensor, " S"]:
        """Each island's log evidence, in the coordinates of the path."""
        return self.accumulated_log_evidence + self.log_mean_weights

    @property
    def log_evidence(self) -> float:
        """Log of the mean of the islands' evidence, in the coordinates of the path."""
        by_island = self.island_evidence
        total = by_island if len(by_island) == 1 else torch.logsumexp(by_island, 0)
        return float(total) - math.log(len(by_island))

    @property
    def lineages(self) -> Lineages:
        """Log weights since the last resampling of any island, with their eve indices."""
        p = self.particles
        return self.before_last_draw or Lineages(p.log_weights, p.eve_indices)

    def moved(
        self, particles: Particles, stage: StageT, potential: Potential
    ) -> Population[StageT]:
        """At the next stage, with log w <- log w + the increment."""
        weights = particles.log_weights + potential.log_increment
        now = weights.view(self.islands, -1)
        return replace(
            self,
            contributions=self.contributions.weighted(self.island_log_weights, now),
            particles=replace(particles, log_weights=weights, rewards=potential.rewards),
            stage=stage,
            ess=math.inf,
            parents=self.slots,
            resampled=False,
            acceptance=None,
            kernel_steps=None,
            correlation=None,
            exhausted=False,
        )

    def reweighted(self, potential: Potential) -> Population[StageT]:
        """With log w <- log w + the increment, at the same stage; to be measured."""
        p = self.particles
        weights = p.log_weights + potential.log_increment
        now = weights.view(self.islands, -1)
        contributions = self.contributions.weighted(self.island_log_weights, now)
        particles = replace(p, log_weights=weights, rewards=potential.rewards)
        return replace(self, particles=particles, contributions=contributions)

    def renewed(self) -> Population[StageT]:
        """After kernel steps: where these made particles independent of their past, the error of
        what they will contribute is independent of the error so far.
        """
        if self.correlation is None or self.correlation > FORGOTTEN:
            return self
        return replace(self, contributions=self.contributions.renewed(self.slots))

    def with_particles(self, particles: Particles) -> Population[StageT]:
        return replace(self, particles=particles)

    def measured(self) -> Population[StageT]:
        """With the effective sample sizes and mean weights of the weights as they are."""
        sizes, level = ess_and_log_mean(self.island_log_weights)
        alone = len(sizes) == 1
        whole = float(sizes[0]) if alone else float(effective_sample_size(self.total_log_weights))
        return replace(self, sizes=sizes, log_mean_weights=level, ess=min(self.ess, whole))

    def copied(
        self, index: Int[Tensor, " L"], log_weights: Float[Tensor, " L"], due: Bool[Tensor, " S"]
    ) -> Population[StageT]:
        """Copies of the particles in the slots ``index``; the islands that are ``due`` add their
        mean weight to their accumulated evidence.
        """
        particles = replace(self.particles.gather(index), log_weights=log_weights)
        return replace(
            self,
            particles=particles,
            parents=self.parents[index],
            unique_ancestors=int(torch.bincount(particles.eve_indices).count_nonzero()),
            accumulated_log_evidence=torch.where(
                due,
                self.accumulated_log_evidence + self.log_mean_weights,
                self.accumulated_log_evidence,
            ),
            log_mean_weights=torch.where(due, 0.0, self.log_mean_weights),
            resamplings=self.resamplings + due,
            contributions=self.contributions.copied(index),
        )
