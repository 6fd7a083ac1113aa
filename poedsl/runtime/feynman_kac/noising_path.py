"""The noising path as a Feynman-Kac model: pi_t is proportional to prod_i p_i,t^(w_i) q_t, with
p_i,t the experts' noised marginals and q_t the rewards at the predicted endpoint.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.runtime.core.particles import Evaluation, Particles
from poedsl.runtime.core.random_numbers import Noise
from poedsl.runtime.core.state import SavedState
from poedsl.runtime.feynman_kac.continuous import ContinuousModel, evaluated
from poedsl.runtime.kernels.step_size import StepSize
from poedsl.runtime.path import moves
from poedsl.runtime.path.control_drift import Control, fitted
from poedsl.runtime.path.noising_path import FlowPath, NoisingStage, StageTransition
from poedsl.runtime.smc.anneal import Proposal
from poedsl.runtime.smc.composition import Composition, Observer
from poedsl.runtime.smc.population import Population


@dataclass(frozen=True, slots=True, kw_only=True)
class NoisingPathModel(ContinuousModel[NoisingStage]):
    """From N(0, I / W) to the data, by moves of the path and weights for their mismatch with the
    intermediate targets.

    Attributes:
        shown: numbers of the stages whose predicted endpoints particles keep.
    """

    path: FlowPath
    observer: Observer
    shown: frozenset[int] = frozenset()

    @property
    def stages(self) -> tuple[NoisingStage, ...]:
        return self.path.stages

    def stage(self, t: int, beta: float) -> NoisingStage:
        return self.stages[self.stages[0].t - t]

    def state(self) -> SavedState:
        return {"observer": self.observer.state()}

    def restored(self, state: SavedState) -> NoisingPathModel:
        return replace(self, observer=self.observer.restored(state["observer"], self.stages))

    def init(self, rng: Noise) -> Population[NoisingStage]:
        """X ~ N(0, I / W), weighted where the experts' own p_T is known (line 2)."""
        stage, w, width = self.path.stages[0], self.path.exponents, self.target.space.size
        x = rng.normal(width, stage.t, "start") / w.sqrt()
        at = self.evaluate(x, stage, rng)
        log_start = self.path.log_normaliser(width)
        weights = torch.full((len(x),), log_start, dtype=torch.float64, device=x.device)
        if self.options.correct != "none" and at.log_density is not None:
            weights = start_weights(x, at.log_density, w)
        particles = Particles.at_start(x, weights, self.peak, at)
        step_size = StepSize.initial(self.options.step_size, rng.islands, rng.device)
        return Population.start(particles, stage, rng.islands, step_size)

    def next_stage(self, population: Population[NoisingStage]) -> NoisingStage | None:
        done = self.path.stages[0].t - population.stage.t + 1
        return self.path.stages[done] if done < len(self.path.stages) else None

    def propose(
        self, population: Population[NoisingStage], stage: NoisingStage, rng: Noise
    ) -> Proposal:
        """X <- move(X), the experts there, and the correction for the path (line 5)."""
        old_stage = population.stage
        population, old = evaluated(population, lambda x: self.evaluate(x, old_stage, rng))
        p, step = population.particles, self.interval(stage)
        control = self.control(population, old)
        moved = self.moved(p.x, old, stage, step, control, rng)
        new = (
            self.evaluated_and_observed(moved.x, stage, rng)
            if self.target.evaluable(stage)
            else None
        )
        ratio = self.correction(p.x, old, moved, new, step, control, rng.islands)
        return Proposal(replace(p, x=moved.x, at=new), ratio)

    def mutate(self, population: Population[NoisingStage], rng: Noise) -> Population[NoisingStage]:
        """K times X <- kernel_t(X) (lines 6 and 7)."""
        stage = population.stage
        return self.mutation.mutate(
            population,
            rng,
            stage,
            lambda x: self.evaluate(x, stage, rng),
            narrowing=stage.narrowing,
            exponents=self.path.exponents,
        )

    def with_endpoints(self, population: Population[NoisingStage]) -> Population[NoisingStage]:
        stage = population.stage
        if stage.t not in self.shown:
            return population
        end = population.particles.x
        if stage.sigma > 0:
            population, at = evaluated(population, lambda x: self.target.evaluate(x, stage))
            end = self.target.endpoint(end, at, stage).detach()
        p = population.particles
        return population.with_particles(
            replace(p, predicted_endpoints=(*p.predicted_endpoints, end))
        )

    def endpoint(self, population: Population[NoisingStage]) -> Float[Tensor, "L D"]:
        """Where the particles are expected to end, as far as the experts were evaluated."""
        p = population.particles
        if not isinstance(p.at, Evaluation):
            return p.x
        return self.target.endpoint(p.x, p.at, population.stage)

    def composition(self, particles: int) -> Composition | None:
        """Whether the product could be trusted."""
        return self.observer.composition(particles)

    # The parts of a move.

    def evaluate(self, x: Float[Tensor, "L D"], stage: NoisingStage, rng: Noise) -> Evaluation:
        signs = rng.signs(x.shape[-1], stage.t) if self.options.control else None
        return self.target.evaluate(x, stage, signs)

    def evaluated_and_observed(
        self, x: Float[Tensor, "L D"], stage: NoisingStage, rng: Noise
    ) -> Evaluation:
        """The experts where a move led; at some stages the composition report takes note."""
        if stage.t not in self.observer.stages:
            return self.evaluate(x, stage, rng)
        signs = rng.signs(x.shape[-1], stage.t) if self.options.control else None
        at = self.target.evaluate(x, stage, signs, expert_scores=True)
        return self.observer.noted(x, at, stage)

    def control(self, population: Population[NoisingStage], at: Evaluation) -> Control | None:
        """The drift that evens out the weights of the coming move, where one is asked for."""
        if at.gains is None:
            return None
        p = population.particles
        rate = moves.fkc_rate(p.x, at, self.path.excess)
        return fitted(rate, at.gains, p.log_weights, population.islands)

    def moved(
        self,
        x: Float[Tensor, "L D"],
        at: Evaluation,
        stage: NoisingStage,
        step: StageTransition,
        control: Control | None,
        rng: Noise,
    ) -> moves.MoveResult:
        match self.options.move:
            case "none":
                return moves.MoveResult(x)
            case "ode":
                return moves.ode(x, at, step, self.path.excess, control)
            case "sde":
                noisy = self.target.evaluable(stage)
                noise = rng.normal(x.shape[-1], stage.t, "move") if noisy else None
                return moves.sde(x, at, step, noise, control)

    def correction(
        self,
        x: Float[Tensor, "L D"],
        old: Evaluation,
        moved: moves.MoveResult,
        new: Evaluation | None,
        step: StageTransition,
        control: Control | None,
        islands: int,
    ) -> Float[Tensor, " L"]:
        """None | FKC | AIS, and the density ratio of a move that follows the rewards' gradient."""
        if self.options.correct == "ais":
            assert new is not None
            return moves.ais_ratio(x, old, moved.x, new, moved.noise, step)
        if self.options.correct == "none":
            return x.new_zeros(len(x)) if moved.twist is None else moved.twist
        rate, length = moves.fkc_rate(x, old, self.path.excess, control), step.log_alpha
        if new is not None:
            rate = rate.add_(moves.fkc_rate(moved.x, new, self.path.excess, control))
            length = 0.5 * length
        gain = moves.clipped(rate.mul_(length), self.options.clip, islands)
        return gain if moved.twist is None else gain + moved.twist

    def interval(self, stage: NoisingStage) -> StageTransition:
        """The way to a stage from the one before."""
        return self.path.intervals[self.path.stages[0].t - 1 - stage.t]


def start_weights(
    x: Float[Tensor, "L D"], log_density: Float[Tensor, " L"], exponents: Float[Tensor, " #D"]
) -> Float[Tensor, " L"]:
    """Log of p_T over N(0, I / W) at draws of the latter; double precision."""
    w = exponents
    log_normal = 0.5 * (w.double().expand(x.shape[-1]) / (2 * math.pi)).log().sum()
    square = (w * x.square()).sum(-1).double()
    return log_density.double() + 0.5 * square - log_normal
