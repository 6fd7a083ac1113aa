"""The model of a plan on the tempering path."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from jaxtyping import Bool, Float
from torch import Tensor

from poedsl.compiler.plan.plan_parts import GENERATIVE, FactorSpec
from poedsl.experts.loading.shared_networks import free_encoders
from poedsl.runtime.build.ancestral_draws import ancestral
from poedsl.runtime.build.ancestral_prior import prior
from poedsl.runtime.build.constrained_supports import bijections, centred
from poedsl.runtime.build.exponents import refuse_unseen
from poedsl.runtime.build.heavy_tails import LEAST_FALL, slowest_fall, student_base
from poedsl.runtime.build.laplace_base import laplace_base
from poedsl.runtime.build.location_scale_sites import non_centred
from poedsl.runtime.build.mutation import mutation, shown_stages
from poedsl.runtime.build.non_centred_base import non_centred_base
from poedsl.runtime.build.positive_precision import DATA, refuse_improper_stages
from poedsl.runtime.build.product_builder import ProductBuilder
from poedsl.runtime.build.search_starts import search_starts
from poedsl.runtime.build.tempering_base import base
from poedsl.runtime.feynman_kac.temperatures import temper_grid
from poedsl.runtime.feynman_kac.tempering import TemperingModel
from poedsl.runtime.kernels.non_centred import NonCentred
from poedsl.runtime.smc import black_box_potentials
from poedsl.runtime.space.parts import PlacedFactor, locate
from poedsl.runtime.targets.expert_factor import ExpertFactor
from poedsl.runtime.targets.tempering import BaseDistribution, TemperedTarget


def tempering_model(builder: ProductBuilder, factors: list[FactorSpec]) -> TemperingModel:
    """Powers of the product, from a base that can be drawn exactly, in unconstrained coordinates.

    Raises:
        PoeError: the product of Gaussians is not a density at the end.
    """
    options, env = builder.options, builder.environment
    placed = builder.placed(factors)
    densities = [f for f in factors if f.kind == "density"]
    located = [PlacedFactor(f, locate(f, builder.space, env), 1.0) for f in densities]
    refuse_unseen([*placed, *located], builder.space)

    def weight(factor: FactorSpec) -> float:
        return abs(builder.exponent(factor))

    uncentred = bijections(builder.plan, factors, builder.space, env)
    drawn = ancestral(factors, builder.space, builder.densities, weight)
    scaled = centred(uncentred, list(drawn.values()), builder.space)
    builder = builder.in_space(replace(builder.space, bijections=scaled))
    gaussians = builder.gaussians(placed)
    others = [d.moments() for name, d in drawn.items() if name not in gaussians]
    builder = builder.in_space(builder.standardised(placed, gaussians, others))
    experts = builder.expert_factors(placed, gaussians, {})
    free_encoders()
    rewards = builder.reward_factors(factors)
    check_precision(builder, factors, experts)
    ones = builder.space.loc.new_ones(1)
    without_base = TemperedTarget(
        builder.space,
        experts,
        rewards,
        env,
        ones,
        builder.particles_at_once(rewards),
        squares=options.correct == "fkc",
    )
    standardised = non_centred(factors, builder.space, env)
    base = tempering_base(builder, factors, without_base, standardised)
    target = replace(without_base, base=base)
    moves = mutation(target, options, builder.warnings, non_centred=standardised)
    stages = temper_grid(options.steps)
    peak = black_box_potentials.initial_peak(options.potential)
    if options.share is None:
        shown = shown_stages(len(stages), builder.settings)
        powers = [stage.beta for stage in stages if stage.t in shown]
    else:
        powers = [stage.beta for stage in temper_grid(builder.settings.shown_stages)[1:]]
    return TemperingModel(
        target=target,
        stages=stages,
        options=options,
        mutation=moves,
        warnings=builder.warnings,
        peak=peak,
        shown_powers=tuple(powers),
    )


def tempering_base(
    builder: ProductBuilder,
    factors: list[FactorSpec],
    target: TemperedTarget,
    coordinates: NonCentred | None,
) -> BaseDistribution | None:
    """What the path starts from: what the program says, or a mixture around the modes that a search
    finds. Beside it stand draws of the program's densities, where some are around others or tails
    are heavy; else what is near in non-centred coordinates, where there are any, a distribution
    with such tails, or N(0, I), for which None stands alone.
    """
    plan, space, env = builder.plan, builder.space, builder.environment
    if builder.options.base is not None:
        return base(builder.options.base, plan, builder.models, env, space)
    fall = slowest_fall(target.log_untempered, space)
    heavy = fall < LEAST_FALL
    draws = prior(plan, factors, space, env, builder.densities, builder.exponent, heavy)
    serves = draws is not None and (heavy or draws.funnel or draws.near(target.log_untempered))
    starts = partial(search_starts, factors, space, builder.densities)

    def allowed(z: Float[Tensor, "L D"]) -> Bool[Tensor, " L"]:
        return target.conditions(z, 1.0) > -math.inf

    wide: BaseDistribution | None = draws
    if not serves:
        wide = student_base(fall, space) if heavy else None
        if wide is None and coordinates is not None:
            wide = non_centred_base(target.log_untempered, coordinates, starts, allowed)
    return laplace_base(target.log_untempered, wide, space, starts, allowed)


def check_precision(
    builder: ProductBuilder, factors: Sequence[FactorSpec], experts: Sequence[ExpertFactor]
) -> None:
    """Whether the product of Gaussians over each variable without rewards is a density."""
    of = {f.name: f.variables[0] for f in factors}
    for variable in builder.space.shapes:
        seeing = [a for a in experts if of[a.name] == variable]
        rewarded = any(f.kind not in GENERATIVE and variable in f.variables for f in factors)
        if not rewarded:
            refuse_improper_stages(seeing, (DATA,), builder.space, variable, rewarded=False)
