"""How rewards enter the weights, each counted once: the value at a predicted endpoint against the
value that the weight holds already.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from jaxtyping import Float
from torch import Tensor

from poedsl.runtime.core.particles import Evaluation, RewardMemory
from poedsl.runtime.core.sampler_options import SamplerOptions
from poedsl.runtime.core.warnings import WarningLog, of_factors
from poedsl.runtime.smc import black_box_potentials
from poedsl.runtime.smc.population import Population, Potential
from poedsl.runtime.targets.stage_protocol import StageLike
from poedsl.runtime.targets.target import Target


@dataclass(frozen=True, slots=True)
class RewardWeights:
    """How the rewards of a target enter the weights.

    Attributes:
        options: the potential by which black-box rewards enter the weights, and at which stages.
        warns_of_infinite_rewards: whether a reward of minus infinity before the end is worth a
            warning.
    """

    target: Target
    options: SamplerOptions
    warnings: WarningLog
    warns_of_infinite_rewards: bool

    def weighs(self, t: int) -> bool:
        """Whether black-box rewards enter the weights at a stage."""
        return self.options.resample is None or self.options.resample.weighs(t)

    def potential(
        self,
        memory: RewardMemory,
        x: Float[Tensor, "L D"],
        at: Evaluation | None,
        stage: StageLike,
        log_ratio: Float[Tensor, " L"],
    ) -> Potential:
        """The increment of the log weights of a proposal, its log ratio included."""
        target, increment = self.target, log_ratio
        if target.differentiable:
            value = target.exact(x) if at is None else at.log_reward
            assert value is not None
            value = value.double()
            increment = increment + (value - memory.differentiable)
            memory = replace(memory, differentiable=value)
        if target.black_box and self.weighs(stage.t):
            reward = target.black_box_at(x, at, stage).double()
            self.warn_of_infinite_rewards(reward, stage.t)
            gain, counted, peak = black_box_potentials.count(
                self.options.potential, reward, memory.counted, memory.peak, self.options.weighing
            )
            increment = increment + gain
            memory = replace(memory, black_box=reward, counted=counted, peak=peak)
        return Potential(increment, memory)

    def final(self, population: Population[Any]) -> Potential | None:
        """The exact black-box rewards and constraints, against what was counted."""
        if not self.target.black_box:
            return None
        p = population.particles
        reward = self.target.black_box_value(p.x, final=True).double()
        memory = replace(p.rewards, black_box=reward, counted=reward)
        return Potential(reward - p.rewards.counted, memory)

    def warn_of_infinite_rewards(self, reward: Float[Tensor, " L"], t: int) -> None:
        """Warn once of rewards that are minus infinity at predicted endpoints."""
        infinite = int((reward == -math.inf).sum())
        if not infinite or t == 1 or not self.warns_of_infinite_rewards:
            return
        named = ", ".join(f"`{f.name}` at {f.place}" for f in self.target.black_box)
        self.warnings.add(
            "P1003",
            f"a reward ({named}) is minus infinity where {infinite} of {len(reward)} particles "
            f"were expected to end at stage {t}; their weight becomes zero although they "
            "might end elsewhere, and the evidence is too low: `where` or `path = temper()` "
            "avoids this",
            once="infinite rewards",
            **of_factors((f.name, f.place) for f in self.target.black_box),
            stage=t,
            particles=infinite,
            of=len(reward),
        )
