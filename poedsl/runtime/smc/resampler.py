"""When islands are resampled, and how everything that a particle carries is copied."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Int
from torch import Tensor

from poedsl.compiler.plan.resampling_rule import ResamplingRule
from poedsl.runtime.core.random_numbers import Noise
from poedsl.runtime.smc.population import Population, StageT
from poedsl.runtime.smc.resampling_schemes import FEW, SCHEMES, along_kd_tree, systematic


@dataclass(frozen=True, slots=True)
class Resampler:
    """Resamples each island by a scheme, when the rule says so.

    Attributes:
        scheme: a name of ``SCHEMES``.
        rule: when; None for never.
    """

    scheme: str
    rule: ResamplingRule | None

    @property
    def unbiased(self) -> bool:
        return self.scheme != "tophalf"

    def __call__(
        self, population: Population[StageT], rng: Noise, *, equal_weights: bool = False
    ) -> Population[StageT]:
        """If the rule says so: copy everything a particle carries, accumulate the evidence, and
        reset the weights.

        Args:
            equal_weights: draw all particles evenly instead and leave them with the mean weight,
                because a last kernel moves copies apart.
        """
        due = self.due(population)
        if any(due):
            population = replace(population, resampled=True)
        if equal_weights and self.rule is not None and not self.rule.stages and self.unbiased:
            return self.drawn_with_equal_weights(population, rng)
        return self.resampled(population, rng, due, "resample")

    def after_last_potential(
        self, population: Population[StageT], rng: Noise
    ) -> Population[StageT]:
        """The same where the last potential left the weights of an island uneven."""
        weights = population.island_log_weights
        uneven = (weights.amax(-1) > weights.amin(-1)).tolist()
        due = [d and u for d, u in zip(self.due(population), uneven, strict=True)]
        if any(due):
            population = replace(population, resampled=True)
        return self.resampled(population, rng, due, "last resampling")

    def due(self, population: Population[StageT]) -> list[bool]:
        """Which islands resample now; at the end also those with particles of weight zero."""
        sizes: list[float] = population.sizes.tolist()
        if self.rule is None:
            return [False] * len(sizes)
        weights, t = population.island_log_weights, population.stage.t
        below = self.rule.below * weights.shape[-1]
        if self.rule.always or t in self.rule.stages:
            below = math.inf
        holed = torch.isinf(weights).any(-1).tolist() if t == 1 else [False] * len(sizes)
        return [size > 0 and (size < below or h) for size, h in zip(sizes, holed, strict=True)]

    def resampled(
        self, population: Population[StageT], rng: Noise, due: list[bool], purpose: str
    ) -> Population[StageT]:
        """The islands that are due, by the scheme; the others as they are."""
        if not any(due):
            return population
        weights = population.island_log_weights
        mask = torch.tensor(due, device=weights.device)
        count = 1 if self.scheme == "systematic" else rng.size
        uniforms = rng.shared(population.stage.t, purpose, count)
        chosen = SCHEMES[self.scheme](weights, uniforms)
        identity = torch.arange(rng.size, device=weights.device).expand_as(chosen)
        index = slots(torch.where(mask[:, None], chosen, identity))
        fresh = torch.where(mask[:, None], 0.0, weights).flatten()
        return population.copied(index, fresh, mask)

    def drawn_with_equal_weights(
        self, population: Population[StageT], rng: Noise
    ) -> Population[StageT]:
        """Particles of one weight, the mean of their island, so that the evidence is what it was.

        Where components are few, copies come evenly from all regions.
        """
        weights, x = population.island_log_weights, population.particles.x
        identity = torch.arange(rng.size, device=x.device).expand_as(weights)
        few = x.shape[-1] <= FEW
        order = along_kd_tree(x.view(population.islands, rng.size, -1)) if few else identity
        uniform = rng.shared(population.stage.t, "even draws")
        chosen = order.gather(1, systematic(weights.gather(1, order), uniform)).sort(1).values
        level = population.log_mean_weights
        index = slots(torch.where(torch.isfinite(level)[:, None], chosen, identity))
        drawn = population.copied(
            index, level.repeat_interleave(rng.size), torch.zeros_like(level, dtype=torch.bool)
        )
        return replace(drawn, before_last_draw=population.lineages)


def slots(local: Int[Tensor, "S n"]) -> Int[Tensor, " L"]:
    """The slots of particles that are numbered within their islands."""
    islands, size = local.shape
    first = size * torch.arange(islands, device=local.device)
    return (local + first[:, None]).flatten()
