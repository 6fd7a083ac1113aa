"""Prefixes of sections as a Feynman-Kac model: a variable over numbers grows by what its first
expert draws, and the others weigh it (Zhang et al., 3.3 and C.2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.runtime.core.particles import Evaluation, Particles
from poedsl.runtime.core.random_numbers import Noise
from poedsl.runtime.feynman_kac.continuous import ContinuousModel, evaluated
from poedsl.runtime.kernels.step_size import StepSize
from poedsl.runtime.smc.anneal import Proposal
from poedsl.runtime.smc.population import Population
from poedsl.runtime.targets.prefix_stages import PrefixStage
from poedsl.runtime.targets.sections import SectionTarget


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionModel(ContinuousModel[PrefixStage]):
    """From nothing to the whole, a group of sections at a time.

    Attributes:
        shown: numbers of the stages at which particles keep their completed prefix.
    """

    target: SectionTarget
    stages: tuple[PrefixStage, ...]
    shown: frozenset[int] = frozenset()

    @property
    def grows(self) -> bool:
        return True

    def stage(self, t: int, beta: float) -> PrefixStage:
        return self.stages[self.stages[0].t - t]

    def init(self, rng: Noise) -> Population[PrefixStage]:
        """Empty prefixes (line 2)."""
        count = rng.size * rng.islands
        x = torch.zeros(count, 0, dtype=rng.dtype, device=rng.device)
        weights = torch.zeros(count, dtype=torch.float64, device=rng.device)
        particles = Particles.at_start(x, weights, self.peak)
        step_size = StepSize.initial(self.options.step_size, rng.islands, rng.device)
        return Population.start(particles, self.stages[0], rng.islands, step_size)

    def next_stage(self, population: Population[PrefixStage]) -> PrefixStage | None:
        done = self.stages[0].t - population.stage.t + 1
        return self.stages[done] if done < len(self.stages) else None

    def propose(
        self, population: Population[PrefixStage], stage: PrefixStage, rng: Noise
    ) -> Proposal:
        """X <- x and its next sections, and the product over what proposed them (line 5)."""
        before: Float[Tensor, " L"] = population.particles.log_weights.new_zeros(())
        if population.particles.x.shape[1] and self.options.correct != "none":
            old_stage = population.stage
            population, old = evaluated(population, lambda x: self.target.evaluate(x, old_stage))
            assert old.over_proposal is not None
            before = old.over_proposal.double()
        p = population.particles
        more = stage.length * math.prod(self.target.shape[1:]) - p.x.shape[1]
        x = self.target.extended(p.x, rng.normal(more, stage.t, "move"))
        at = self.target.evaluate(x, stage)
        assert at.over_proposal is not None
        ratio = at.over_proposal.double() - before
        weighted = self.options.correct != "none"
        return Proposal(replace(p, x=x, at=at), ratio if weighted else 0 * ratio)

    def mutate(self, population: Population[PrefixStage], rng: Noise) -> Population[PrefixStage]:
        """K times X <- kernel(X), over the whole prefix (lines 6 and 7)."""
        stage = population.stage
        return self.mutation.mutate(
            population, rng, stage, lambda x: self.target.evaluate(x, stage)
        )

    def with_endpoints(self, population: Population[PrefixStage]) -> Population[PrefixStage]:
        stage = population.stage
        if stage.t not in self.shown:
            return population
        population, at = evaluated(population, lambda x: self.target.evaluate(x, stage))
        p = population.particles
        end = self.target.endpoint(p.x, at, stage).detach()
        return population.with_particles(
            replace(p, predicted_endpoints=(*p.predicted_endpoints, end))
        )

    def endpoint(self, population: Population[PrefixStage]) -> Float[Tensor, "L D"]:
        """The completed prefixes, as far as the experts were evaluated."""
        p = population.particles
        if not isinstance(p.at, Evaluation):
            return p.x
        return self.target.endpoint(p.x, p.at, population.stage)
