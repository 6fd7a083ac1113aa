"""A bound plan with its constants evaluated, its loops written out, and its sizes known."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.plan_parts import FactorSpec
from poedsl.compiler.plan.terms import Const
from poedsl.compiler.planner.refuse_sizes import population_excess
from poedsl.grammar.errors import PoeError
from poedsl.runtime.build.latent_spaces import codecs
from poedsl.runtime.build.models import Models
from poedsl.runtime.build.number_type import number_type
from poedsl.runtime.build.product_builder import ProductBuilder
from poedsl.runtime.build.values import Values
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.space.coordinates import Space
from poedsl.runtime.space.sizes import shapes


@dataclass(frozen=True, slots=True)
class BoundPlan:
    """What is known of a bound plan before its coordinates are chosen.

    Attributes:
        factors: with those of loops one by one.
        sizes: the shape of each variable.
        dtype: of the numbers of particles.
    """

    plan: PlanSpec
    settings: RunSettings
    models: Models
    values: Values
    factors: list[FactorSpec]
    sizes: dict[str, tuple[int, ...]]
    dtype: torch.dtype

    @classmethod
    def of(cls, plan: PlanSpec, settings: RunSettings, models: Models) -> BoundPlan:
        """Evaluate the constants of a plan.

        Raises:
            PoeError: a constant has no value for these inputs, a source cannot run, or a size does
                not fit.
        """
        dtype = number_type(plan.sampled, settings)
        values = Values.of(plan, models, models.device, dtype)
        factors = [s for f in plan.factors for s in values.unrolled_factors(f)]
        env = values.environment
        sizes = shapes(plan, factors, env, models.native, lambda f: models.length(f, env))
        latent = {v.name for v in plan.variables if v.space}
        _within_limit(plan, [size for name, size in sizes.items() if name not in latent])
        return cls(plan, settings, models, values, factors, sizes, dtype)

    @property
    def device(self) -> torch.device:
        return self.models.device

    def builder(self, space: Space) -> ProductBuilder:
        """Builds the factors in the coordinates of a space."""
        builder = ProductBuilder(
            self.plan, self.settings, self.models, self.values, space, self.models.warnings
        )
        normalises = self.plan.option("normalize_exponents") == Const(True)
        return builder.normalised(self.factors) if normalises else builder

    def numbers(self) -> Space:
        """The coordinates of all variables as real numbers."""
        latents = codecs(self.factors, self.sizes, self.models)
        shapes = [latents[n].shape(s) if n in latents else s for n, s in self.sizes.items()]
        _within_limit(self.plan, shapes)
        return Space.of(self.sizes, self.device, latents, self.dtype)


def _within_limit(plan: PlanSpec, shapes: list[tuple[int, ...]]) -> None:
    """Whether the particles have no more numbers than the limit, before they are allocated.

    Raises:
        PoeError: they have more (P0507).
    """
    particles = plan.option("particles")
    assert isinstance(particles, Const) and isinstance(particles.value, int)
    if too_large := population_excess(particles.value, sum(map(math.prod, shapes))):
        raise PoeError((too_large,))
