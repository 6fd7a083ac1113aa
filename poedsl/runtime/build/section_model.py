"""The model of a plan over a variable that grows by sections."""

from __future__ import annotations

from dataclasses import replace

from poedsl.compiler.plan.plan_parts import FactorSpec
from poedsl.compiler.plan.terms import Apply
from poedsl.runtime.build.mutation import mutation, shown_stages
from poedsl.runtime.build.product_builder import ProductBuilder
from poedsl.runtime.feynman_kac.sections import SectionModel
from poedsl.runtime.smc import black_box_potentials
from poedsl.runtime.targets.prefix_stages import prefix_stages
from poedsl.runtime.targets.sections import SectionFactor, SectionTarget


def section_model(builder: ProductBuilder, factors: list[FactorSpec]) -> SectionModel:
    """A variable that grows along its first size. Gaussians count as rewards, and constraints only
    at the end.
    """
    options = builder.options
    grown = [f for f in factors if f.kind == "flow"]
    others = [f for f in factors if f.kind != "flow"]
    others = [replace(f, kind="density") if f.kind == "gaussian" else f for f in others]
    rewards = tuple(
        replace(r, differentiable=r.differentiable and r.kind != "where")
        for r in builder.reward_factors(others)
    )
    target = SectionTarget(
        builder.space,
        (),
        rewards,
        builder.environment,
        builder.space.loc.new_ones(1),
        builder.settings.particles_at_once,
        squares=options.correct == "fkc",
        extenders=tuple(extender(builder, f) for f in grown),
    )
    (shape,) = builder.space.shapes.values()
    stages = prefix_stages(min(options.steps, shape[0]), shape[0])
    moves = mutation(target, options, builder.warnings, warns_of_infinite_rewards=True)
    peak = black_box_potentials.initial_peak(options.potential)
    shown = shown_stages(len(stages), builder.settings)
    return SectionModel(
        target=target, stages=stages, options=options, mutation=moves, peak=peak, shown=shown
    )


def extender(builder: ProductBuilder, factor: FactorSpec) -> SectionFactor:
    """An expert of sections.

    Raises:
        PoeError: it needs a density that it has not.
    """
    placed = builder.scaled(builder.place(factor))
    assert isinstance(factor.term, Apply) and isinstance(placed.exponent, float)
    builder.check_domain(factor, factor.term, placed.part.decoded_shape)
    shape = placed.part.shape
    expert = builder.models.model(factor.term, builder.environment, factor, shape)
    return SectionFactor(factor.name, factor.place, expert, placed.exponent)
