"""Tempering as a Feynman-Kac model: p_b = p_0^(1 - b) target^b, weights from exact densities."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.runtime.core.particles import Particles
from poedsl.runtime.core.random_numbers import Noise
from poedsl.runtime.core.state import SavedState
from poedsl.runtime.core.warnings import WarningLog
from poedsl.runtime.feynman_kac.continuous import ContinuousModel, evaluated
from poedsl.runtime.feynman_kac.noising_path import start_weights
from poedsl.runtime.feynman_kac.pilot_run import Pilot, TunedSteps
from poedsl.runtime.feynman_kac.temperatures import next_stage
from poedsl.runtime.kernels.step_size import StepSize
from poedsl.runtime.path.moves import density_increase
from poedsl.runtime.smc.anneal import Proposal
from poedsl.runtime.smc.population import Population
from poedsl.runtime.targets.tempering import TemperedTarget, TemperingStage


@dataclass(frozen=True, slots=True, kw_only=True)
class TemperingModel(ContinuousModel[TemperingStage]):
    """From the base to the target, by kernels alone; the powers b are a fixed grid, or placed by
    the effective sample size as the run goes on.

    Attributes:
        stages: a fixed grid; where they are placed by the ESS, as many as there may be.
        shown_powers: particles keep where they are at the first stage that reaches each of these.
        tuned: the kernel steps of each stage by its number, where a pilot run has tuned them.
    """

    target: TemperedTarget
    stages: tuple[TemperingStage, ...]
    warnings: WarningLog
    shown_powers: tuple[float, ...] = ()
    tuned: Mapping[int, TunedSteps] | None = None

    def stage(self, t: int, beta: float) -> TemperingStage:
        return TemperingStage(t, beta)

    def state(self) -> SavedState:
        return {"base": self.target.state()}

    def restored(self, state: SavedState) -> TemperingModel:
        """The model that starts from the modes that were found; the search is repeated before."""
        target = self.target.restored(state["base"])
        return replace(self, target=target, mutation=self.mutation.towards(target))

    @property
    def pilot(self) -> Pilot[TemperingModel] | None:
        """A run that tunes the model, where the plan asks for one."""
        return Pilot(self) if self.options.unbiased else None

    def tuned_by(self, powers: Sequence[float], tuned: Sequence[TunedSteps]) -> TemperingModel:
        """The model with stages and kernels that do not depend on its particles."""
        numbers = range(len(powers), 0, -1)
        return replace(
            self,
            stages=tuple(TemperingStage(t, b) for t, b in zip(numbers, powers, strict=True)),
            options=replace(self.options, share=None),
            tuned=dict(zip(numbers, tuned, strict=True)),
        )

    def init(self, rng: Noise) -> Population[TemperingStage]:
        """X ~ p_0: the base, or N(0, I) in unconstrained coordinates (line 2)."""
        stage, target = self.stages[0], self.target
        drawn = target.first(rng, stage)
        x = rng.normal(target.space.size, stage.t, "start") if drawn is None else drawn
        finite = torch.isfinite(x).all(-1)
        x = torch.where(finite[:, None], x, 0.0)
        at = target.evaluate(x, stage)
        weights = torch.zeros(len(x), dtype=torch.float64, device=x.device)
        if drawn is None and self.options.correct != "none" and at.log_density is not None:
            weights = start_weights(x, at.log_density, target.exponents)
        weights = torch.where(finite, weights, -math.inf)
        particles = Particles.at_start(x, weights, self.peak, at)
        step_size = StepSize.initial(self.options.step_size, rng.islands, rng.device)
        return Population.start(particles, stage, rng.islands, step_size)

    def next_stage(self, population: Population[TemperingStage]) -> TemperingStage | None:
        """The next stage of the grid, or the one that keeps the ESS that is asked for."""
        stage, share = population.stage, self.options.share
        if stage.t == 1 or stage.beta == 1:
            return None
        if share is None:
            return self.stages[self.stages[0].t - stage.t + 1]
        population, at = evaluated(population, lambda x: self.target.evaluate(x, stage))
        weights, x = population.total_log_weights, population.particles.x
        black_box = self.target.black_box_value(x, final=False)
        further = next_stage(self.target, x, at, black_box, weights, stage, share)
        if stage.t == 2 and further.beta < 1:
            self.warnings.add(
                "P1004",
                f"temper(ess = {share:g}) had no stages left at b = {stage.beta:.2g} and "
                "went to 1 at once: more `steps`, or a smaller `ess`",
                stage=stage.t,
                beta=stage.beta,
                option="path",
                ess=share,
            )
            return TemperingStage(1, 1.0)
        return further

    def propose(
        self, population: Population[TemperingStage], stage: TemperingStage, rng: Noise
    ) -> Proposal:
        """The particles as they are, and log p_b'(x) - log p_b(x) (line 5)."""
        old_stage = population.stage
        population, old = evaluated(population, lambda x: self.target.evaluate(x, old_stage))
        p = population.particles
        new = self.target.evaluate(p.x, stage)
        if self.options.correct == "none":
            ratio = p.x.new_zeros(len(p.x))
        else:
            ratio = density_increase(old, new)
        return Proposal(replace(p, at=new), ratio)

    def mutate(
        self, population: Population[TemperingStage], rng: Noise
    ) -> Population[TemperingStage]:
        """K times X <- kernel_b(X) (lines 6 and 7)."""
        stage, mutation = population.stage, self.mutation
        tuned = None if self.tuned is None else self.tuned[stage.t]
        if tuned is not None:
            mutation = replace(mutation, steps=tuned.steps)
            population = replace(population, step_size=tuned.step_size)
        moved = mutation.mutate(population, rng, stage, lambda x: self.target.evaluate(x, stage))
        if tuned is None:
            return moved
        return replace(moved, correlation=tuned.correlation, exhausted=tuned.exhausted)

    def with_endpoints(self, population: Population[TemperingStage]) -> Population[TemperingStage]:
        p = population.particles
        if len(p.predicted_endpoints) >= sum(
            power <= population.stage.beta for power in self.shown_powers
        ):
            return population
        return population.with_particles(
            replace(p, predicted_endpoints=(*p.predicted_endpoints, p.x))
        )

    def endpoint(self, population: Population[TemperingStage]) -> Float[Tensor, "L D"]:
        """The particles themselves: no noise is on them."""
        return population.particles.x
