"""Algorithm 1 of Zhang et al., made exact: annealing as a particle filter of a Feynman-Kac model.

A Feynman-Kac model is a chain of distributions with a proposal from each to the next and a
potential that makes the proposal's draws weighted draws of it (Chopin and Papaspiliopoulos 2020,
chapters 5 and 10). The four models are in `runtime/feynman_kac`: the noising path, tempering,
prefixes of symbols, and sections.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from poedsl.runtime.core.particles import Particles, ParticleTensors
from poedsl.runtime.core.random_numbers import Noise
from poedsl.runtime.core.state import SavedState
from poedsl.runtime.smc.health import HealthCheck
from poedsl.runtime.smc.population import Population, Potential, StageT
from poedsl.runtime.smc.resampler import Resampler

AnyModel = TypeVar("AnyModel", bound="FeynmanKac[Any]")


class Proposal(NamedTuple):
    """Particles after a move, and log of target over proposal for each, without rewards."""

    particles: Particles
    log_ratio: Float[Tensor, " L"]


@runtime_checkable
class FeynmanKac(Protocol[StageT]):
    """A chain of distributions pi_T, ..., pi_1, as the driver asks for it."""

    @property
    def evaluation_type(self) -> type[ParticleTensors]:
        """The type of what particles carry of the experts."""
        ...

    def stage(self, t: int, beta: float) -> StageT:
        """The stage of that number, so far along the path."""
        ...

    def state(self) -> SavedState:
        """What the model has noted on its way, and what was searched for before it."""
        ...

    def restored(self: AnyModel, state: SavedState) -> AnyModel:
        """The model that goes on from what a `state` has noted.

        Raises:
            KeyError, TypeError, ValueError: it is not the state of such a model.
        """
        ...

    def init(self, rng: Noise) -> Population[StageT]:
        """Draws of pi_T, with the weights that they need."""
        ...

    def next_stage(self, population: Population[StageT]) -> StageT | None:
        """The stage after that of the population; None after the last."""
        ...

    def propose(self, population: Population[StageT], stage: StageT, rng: Noise) -> Proposal:
        """Move the particles to a stage, and evaluate the experts there."""
        ...

    def log_potential(
        self, population: Population[StageT], proposal: Proposal, stage: StageT
    ) -> Potential:
        """What the weights gain by a proposal, rewards counted once."""
        ...

    def mutate(self, population: Population[StageT], rng: Noise) -> Population[StageT]:
        """K kernel steps that leave the stage's target invariant."""
        ...

    def final_log_potential(self, population: Population[StageT]) -> Potential | None:
        """What remains to be counted at the end, after the last kernel."""
        ...

    def moves_copies_apart(self, stage: StageT) -> bool:
        """Whether the stage's kernel moves copies apart and nothing is weighed after it."""
        ...

    def with_endpoints(self, population: Population[StageT]) -> Population[StageT]:
        """The population with the predicted endpoints of a stage that is to be shown."""
        ...


@dataclass(frozen=True, slots=True)
class Boundary(Generic[StageT]):
    """All that particles take from one stage to the next.

    Attributes:
        population: after its stage.
        healthy: the last population in which all was well, before its kernel.
    """

    population: Population[StageT]
    healthy: Population[StageT]

    def state(self) -> SavedState:
        return {"population": self.population.state(), "healthy": self.healthy.state()}

    @classmethod
    def restored(cls, state: SavedState, model: FeynmanKac[StageT]) -> Boundary[StageT]:
        """From a `state` of a run of the model.

        Raises:
            IndexError, KeyError, TypeError, ValueError: it is not of such a run.
        """
        both = (state["population"], state["healthy"])
        return cls(
            *[
                Population.restored(s, model.stage(**s["stage"]), model.evaluation_type)
                for s in both
            ]
        )


def anneal(
    model: FeynmanKac[StageT],
    resampler: Resampler,
    rng: Noise,
    health: HealthCheck,
    after: Boundary[StageT] | None = None,
) -> Iterator[Boundary[StageT]]:
    """Anneal particles from pi_T to pi_1; yields where they are after every stage.

    The line numbers are those of Algorithm 1. A particle is weighted for its move, and the weights
    do not change where a kernel leaves the target invariant, so that resampling comes before the
    kernel, which then moves copies apart.

    Args:
        after: goes on from there, and yields the stages that follow; None for the start.

    Raises:
        AllParticlesLost: no particle has weight left; it holds the last healthy population.
    """
    if after is None:
        population = healthy = model.with_endpoints(model.init(rng))  # line 2: X ~ p_T
        yield Boundary(population, healthy)
    else:
        population, healthy = after.population, after.healthy
    health = health.keeping(healthy)
    while (stage := model.next_stage(population)) is not None:  # line 3: for t = T - 1, ..., 1
        proposal = model.propose(population, stage, rng)  # line 5: X <- move(X)
        potential = model.log_potential(population, proposal, stage)
        population = population.moved(proposal.particles, stage, potential)  # line 10: weights
        population = health.checked(population).measured()
        apart = model.moves_copies_apart(stage)
        healthy = resampler(population, rng, equal_weights=apart)  # line 10: resample
        health = health.keeping(healthy)
        population = model.mutate(healthy, rng)  # lines 6, 7: K times X <- kernel_t(X)
        if stage.t == 1:
            population = health.checked(population)
            final = model.final_log_potential(population)
            if final is not None:
                population = health.checked(population.reweighted(final)).measured()
                population = resampler.after_last_potential(population, rng)
        population = model.with_endpoints(population)
        yield Boundary(population, healthy)
