"""Prefixes of symbols as a Feynman-Kac model: the target of a stage is the product of the experts'
prefix marginals (Zhang et al., 3.3 and C.2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from poedsl.runtime.core.particles import Particles, ParticleTensors
from poedsl.runtime.core.random_numbers import Noise
from poedsl.runtime.core.sampler_options import SamplerOptions
from poedsl.runtime.core.state import SavedState
from poedsl.runtime.core.warnings import WarningLog, of_factors
from poedsl.runtime.feynman_kac.pilot_run import Pilot
from poedsl.runtime.feynman_kac.rewards import RewardWeights
from poedsl.runtime.kernels.kernel import SymbolKernel
from poedsl.runtime.kernels.step_size import StepSize
from poedsl.runtime.smc.anneal import Proposal
from poedsl.runtime.smc.composition import Composition
from poedsl.runtime.smc.population import Population, Potential
from poedsl.runtime.targets.prefix_stages import PrefixStage
from poedsl.runtime.targets.prefixes import PrefixEvaluation, SequenceTarget, drawn

#: The share below which a condition counts as a bottleneck.
TIGHT = 0.05


@dataclass(frozen=True, slots=True)
class PrefixModel:
    """From nothing to whole sequences, a section at a time.

    Attributes:
        kernel: redraws symbols of the prefix; None where there is none.
        before_the_first_stage: evaluations of all experts, over all particles, by which the rules
            look ahead, and the seconds that they took.
        least_shares: of each rule, the least share that it allowed of what the experts proposed,
            and the stage at which it did.
    """

    target: SequenceTarget
    stages: tuple[PrefixStage, ...]
    options: SamplerOptions
    kernel: SymbolKernel | None
    rewards: RewardWeights
    warnings: WarningLog
    peak: float
    before_the_first_stage: tuple[int, float] = (0, 0.0)
    least_shares: dict[str, tuple[float, int]] = field(default_factory=dict)

    @property
    def evaluation_type(self) -> type[ParticleTensors]:
        return PrefixEvaluation

    @property
    def grows(self) -> bool:
        """False: places that are yet to come hold symbol 0."""
        return False

    def stage(self, t: int, beta: float) -> PrefixStage:
        return self.stages[self.stages[0].t - t]

    def state(self) -> SavedState:
        return {"least_shares": [[n, *least] for n, least in self.least_shares.items()]}

    def restored(self, state: SavedState) -> PrefixModel:
        return replace(self, least_shares={n: (s, t) for n, s, t in state["least_shares"]})

    @property
    def pilot(self) -> Pilot[Any] | None:
        """None: nothing is tuned before the run."""
        return None

    def init(self, rng: Noise) -> Population[PrefixStage]:
        """Empty prefixes (line 2)."""
        count, length = rng.size * rng.islands, self.target.space.size
        x = torch.zeros(count, length, dtype=torch.long, device=rng.device)
        weights = torch.zeros(count, dtype=torch.float64, device=rng.device)
        particles = Particles.at_start(x, weights, self.peak, self.target.begin(count))
        step_size = StepSize.initial(1.0, rng.islands, rng.device)
        return Population.start(particles, self.stages[0], rng.islands, step_size)

    def next_stage(self, population: Population[PrefixStage]) -> PrefixStage | None:
        done = self.stages[0].t - population.stage.t + 1
        return self.stages[done] if done < len(self.stages) else None

    def propose(
        self, population: Population[PrefixStage], stage: PrefixStage, rng: Noise
    ) -> Proposal:
        """Y <- y and its next section, from the normalised product of the conditionals; the ratio
        is the product of their normalisers (line 5).
        """
        p, first = population.particles, population.stage.length
        evaluation = self.evaluation(p)
        x, gain = p.x.clone(), torch.zeros_like(p.log_weights)
        uniforms = rng.uniform(stage.length - first, stage.t, "move")
        for place, uniform in enumerate(uniforms.unbind(1), first):
            self.watch(evaluation, p.log_weights + gain, stage)
            x[:, place], normaliser = drawn(evaluation.following, uniform)
            gain = gain + normaliser
            evaluation, _ = self.target.read(evaluation, place, x[:, place : place + 1])
        if self.options.correct == "none":
            gain = torch.where(gain == -math.inf, gain, 0.0)
        return Proposal(replace(p, x=x, at=evaluation), gain)

    def log_potential(
        self, population: Population[PrefixStage], proposal: Proposal, stage: PrefixStage
    ) -> Potential:
        """The normalisers alone: rewards score whole sequences."""
        return Potential(proposal.log_ratio, proposal.particles.rewards)

    def mutate(self, population: Population[PrefixStage], rng: Noise) -> Population[PrefixStage]:
        """K times Y <- kernel(Y) (lines 6 and 7)."""
        kernel, steps, stage = self.kernel, self.options.kernel_steps, population.stage
        if kernel is None:
            return population
        uniforms = rng.blocks(kernel.uniforms(stage.length), stage.t, steps)
        shared = rng.shared(stage.t, "block", steps)[0].tolist()
        rates, p = [], population.particles
        for uniform, common in zip(uniforms, shared, strict=True):
            x, at, chance = kernel.step(self.target, p.x, stage.length, uniform, common)
            rates.append(chance.mean())
            p = replace(p, x=x, at=at)
        return replace(population, particles=p, acceptance=float(torch.stack(rates).mean()))

    def final_log_potential(self, population: Population[PrefixStage]) -> Potential | None:
        """Rewards and constraints at whole sequences; warns of what few particles meet."""
        if self.target.black_box:
            self.warn_of_bottlenecks(population.particles)
        return self.rewards.final(population)

    def moves_copies_apart(self, stage: PrefixStage) -> bool:
        return False

    def with_endpoints(self, population: Population[PrefixStage]) -> Population[PrefixStage]:
        return population

    def endpoint(self, population: Population[PrefixStage]) -> Int[Tensor, "L n"]:
        """The prefixes themselves; places that are yet to come hold symbol 0."""
        return population.particles.x

    def length(self, population: Population[PrefixStage]) -> int:
        """How many components the particles have at their stage."""
        return population.stage.length

    def composition(self, particles: int) -> Composition | None:
        """None: there are no scores of noised marginals to compare."""
        return None

    def evaluations(self, stage: PrefixStage, steps: int | None = None) -> int:
        """One of all experts for the section, and those of the kernel."""
        count = self.options.kernel_steps if steps is None else steps
        return 1 + self.options.kernel_evaluations(0 if self.kernel is None else count)

    def evaluation(self, particles: Particles) -> PrefixEvaluation:
        assert isinstance(particles.at, PrefixEvaluation)
        return particles.at

    def watch(
        self, evaluation: PrefixEvaluation, log_weights: Float[Tensor, " L"], stage: PrefixStage
    ) -> None:
        """Note how much each rule allows, and warn of what allows nothing at all."""
        alive = log_weights > -math.inf
        if not bool(alive.any()):
            return
        shares = log_weights.softmax(0) @ evaluation.allowed_shares.double().exp()
        for rule, share in zip(self.target.rules, shares.tolist(), strict=True):
            if share < self.least_shares.get(rule.name, (1.0, 0))[0]:
                self.least_shares[rule.name] = share, stage.t
        lost = evaluation.endless[alive].any(0).tolist()
        for factor in (r for r, e in zip(self.target.divisors, lost, strict=True) if e):
            name = f"`{factor.name}` at {factor.place}"
            self.warnings.add(
                "P1008",
                f"{name} divides by zero at stage {stage.t}: a symbol that all else allows has "
                "no chance there, and sequences with it are left out",
                once=name,
                **of_factors([(factor.name, factor.place)]),
                stage=stage.t,
            )
        if bool((evaluation.following[alive] > -math.inf).any()):
            return
        closed = (evaluation.allowed_shares[alive] == -math.inf).all(0).tolist()
        why, data = "the experts have no symbol in common", {}
        shut = [r for r, shuts in zip(self.target.rules, closed, strict=True) if shuts]
        if shut:
            why, data = f"{shut[0].name} allows no symbol", of_factors(shut[0].factors)
        message = f"no particle can go on at stage {stage.t}: {why}"
        self.warnings.add("P1009", message, **data, stage=stage.t)

    def warn_of_bottlenecks(self, p: Particles) -> None:
        weights = p.log_weights.softmax(0).nan_to_num()
        env = self.target.environment.with_values(self.target.space.values(p.x))
        for rule in self.target.rules:
            share, t = self.least_shares.get(rule.name, (1.0, 0))
            if 0 < share < TIGHT:
                self.warnings.add(
                    "P1007",
                    f"{rule.name} is a bottleneck: at stage {t} it allows {share:.2g} of what the "
                    "experts propose; `kernel = gibbs()` revisits what was written before",
                    **of_factors(rule.factors),
                    stage=t,
                    share=share,
                )
        for factor in self.target.black_box:
            if factor.kind != "where":
                continue
            holds = factor.log_value(env).expand(len(p.x)) == 0
            share, count = float(weights @ holds.double()), int((holds & (weights > 0)).sum())
            if share < TIGHT:
                self.warnings.add(
                    "P1007",
                    f"`{factor.name}` at {factor.place} is a bottleneck: it holds for {count} of "
                    f"{len(p.x)} particles at the end; conditions on text alone (`contains`, "
                    "`matches`, `length`) hold for every prefix",
                    **of_factors([(factor.name, factor.place)]),
                    share=share,
                    particles=count,
                    of=len(p.x),
                )
