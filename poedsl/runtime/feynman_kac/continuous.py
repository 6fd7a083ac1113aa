"""What the Feynman-Kac models over numbers share: weights, and kernel steps with rewards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Generic, TypeVar

from jaxtyping import Float
from torch import Tensor

from poedsl.compiler.plan.reward_evaluations import accepts_by_rewards
from poedsl.runtime.core.particles import Evaluation, ParticleTensors, Point
from poedsl.runtime.core.random_numbers import Noise
from poedsl.runtime.core.sampler_options import SamplerOptions
from poedsl.runtime.core.state import SavedState
from poedsl.runtime.feynman_kac.pilot_run import Pilot
from poedsl.runtime.feynman_kac.rewards import RewardWeights
from poedsl.runtime.kernels.kernel import StageTarget, without_rewards
from poedsl.runtime.kernels.line_integral import line_integral
from poedsl.runtime.kernels.metropolis import density_ratio
from poedsl.runtime.kernels.sweep import KernelSteps
from poedsl.runtime.smc.anneal import Proposal
from poedsl.runtime.smc.composition import Composition
from poedsl.runtime.smc.population import Population, Potential, StageT
from poedsl.runtime.targets.stage_protocol import StageLike
from poedsl.runtime.targets.target import Target

Evaluate = Callable[[Float[Tensor, "L D"]], Evaluation]
ContinuousStage = TypeVar("ContinuousStage", bound=StageLike)
AnyModel = TypeVar("AnyModel", bound="ContinuousModel[Any]")


@dataclass(frozen=True, slots=True)
class Mutation:
    """The kernel steps of a stage, towards its target with rewards.

    Attributes:
        steps: None where there is no kernel.
    """

    target: Target
    options: SamplerOptions
    steps: KernelSteps | None
    rewards: RewardWeights

    def towards(self, target: Target) -> Mutation:
        """The same steps towards another target."""
        return replace(self, target=target, rewards=replace(self.rewards, target=target))

    def count(self, stage: StageLike) -> int:
        """Kernel steps at a stage; unadjusted ones shrink to nothing where there is no noise."""
        if self.steps is None or not self.target.evaluable(stage):
            return 0
        return 0 if stage.noise_scale == 0 and not self.steps.adjusted else self.steps.count

    def evaluations(self, stage: StageLike, steps: int | None = None) -> int:
        """Evaluations of all experts by the kernel steps of a stage, or by so many steps."""
        return self.options.kernel_evaluations(self.count(stage) if steps is None else steps)

    def adjusted(self, stage: StageLike) -> bool:
        """Whether there are steps, and each is accepted or rejected."""
        return self.steps is not None and self.steps.adjusted and self.count(stage) > 0

    def accepts_by_rewards(self, stage: StageLike) -> bool:
        """Whether kernels accept by the black-box rewards, which then are part of their target:
        where adjusted ones run and rewards weigh by what they are at a stage alone.
        """
        counts = any(f.kind != "where" for f in self.target.black_box)
        accepts = accepts_by_rewards(self.options.traits, self.options.potential)
        return counts and accepts and self.rewards.weighs(stage.t)

    def add_rewards(self, stage: StageLike, point: Point) -> Point:
        """A point with its black-box rewards."""
        reward = self.target.black_box_at(point.x, point.at, stage).double()
        return replace(point, reward=reward)

    def mutate(
        self,
        population: Population[StageT],
        rng: Noise,
        stage: StageLike,
        evaluate: Evaluate,
        *,
        narrowing: float = 1.0,
        exponents: float | Float[Tensor, " #D"] = 1.0,
    ) -> Population[StageT]:
        """K times x <- kernel_t(x)."""
        if self.steps is None or not self.count(stage):
            return population
        line, target, p = self.options.line, self.target, population.particles
        by_rewards = self.accepts_by_rewards(stage)
        scores = partial(target.scores, stage=stage)
        stage_target = StageTarget(
            evaluate,
            density_ratio if line is None else line_integral(scores, line),
            partial(self.add_rewards, stage) if by_rewards else without_rewards,
        )
        at = p.at if isinstance(p.at, Evaluation) else None
        point = Point(p.x, at, p.rewards.counted if by_rewards else None)
        swept = self.steps.sweep(
            point,
            stage_target,
            population.island_log_weights,
            population.step_size,
            rng,
            stage.t,
            narrowing=narrowing,
            noise_scale=stage.noise_scale,
            exponents=exponents,
        )
        point, memory = swept.point, p.rewards
        if target.differentiable:
            if point.at is None:
                point = replace(point, at=evaluate(point.x))
            assert point.at is not None and point.at.log_reward is not None
            memory = replace(memory, differentiable=point.at.log_reward.double())
        if point.reward is not None:
            memory = replace(memory, black_box=point.reward, counted=point.reward)
        particles = replace(p, x=point.x, at=point.at, rewards=memory)
        return replace(
            population,
            particles=particles,
            step_size=swept.step_size,
            acceptance=swept.acceptance,
            kernel_steps=swept.steps,
            correlation=swept.correlation,
            exhausted=swept.exhausted,
        ).renewed()


@dataclass(frozen=True, slots=True, kw_only=True)
class ContinuousModel(Generic[ContinuousStage]):
    """The part of a Feynman-Kac model over numbers that does not depend on its path.

    Attributes:
        peak: what a potential remembers before there is any reward.
    """

    target: Target
    options: SamplerOptions
    mutation: Mutation
    peak: float

    @property
    def evaluation_type(self) -> type[ParticleTensors]:
        return Evaluation

    @property
    def grows(self) -> bool:
        return False

    @property
    def before_the_first_stage(self) -> tuple[int, float]:
        """No evaluations."""
        return 0, 0.0

    def state(self) -> SavedState:
        """The model takes no notes during a run."""
        return {}

    def restored(self: AnyModel, state: SavedState) -> AnyModel:
        """Itself: there is nothing to go on from."""
        return self

    @property
    def pilot(self) -> Pilot[Any] | None:
        """None: nothing is tuned before the run."""
        return None

    def log_potential(
        self, population: Population[ContinuousStage], proposal: Proposal, stage: ContinuousStage
    ) -> Potential:
        """The correction for the path, and the increase of the rewards (line 10)."""
        p = proposal.particles
        at = p.at if isinstance(p.at, Evaluation) else None
        return self.mutation.rewards.potential(p.rewards, p.x, at, stage, proposal.log_ratio)

    def final_log_potential(self, population: Population[ContinuousStage]) -> Potential | None:
        """The rewards that weigh only at the end."""
        return self.mutation.rewards.final(population)

    def moves_copies_apart(self, stage: ContinuousStage) -> bool:
        """Whether the last stage's kernel moves copies apart and nothing is weighed after it."""
        return stage.t == 1 and self.mutation.adjusted(stage) and not self.target.black_box

    def length(self, population: Population[ContinuousStage]) -> int:
        """How many components the particles have at their stage."""
        return population.particles.x.shape[1]

    def composition(self, particles: int) -> Composition | None:
        """None: there are no scores of noised marginals to compare."""
        return None

    def evaluations(self, stage: ContinuousStage, steps: int | None = None) -> int:
        """Evaluations of all experts that a stage takes (Zhang et al., E.1)."""
        if not self.target.evaluable(stage):
            return 0
        return 1 + self.mutation.evaluations(stage, steps)


def evaluated(
    population: Population[StageT], evaluate: Evaluate
) -> tuple[Population[StageT], Evaluation]:
    """The experts at the particles, evaluated where they are not yet."""
    p = population.particles
    if isinstance(p.at, Evaluation):
        return population, p.at
    at = evaluate(p.x)
    return population.with_particles(replace(p, at=at)), at
