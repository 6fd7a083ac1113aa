"""The model of a plan over sequences of symbols."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache

from poedsl.compiler.plan.costs import LOOK_AHEAD
from poedsl.compiler.plan.plan_parts import GENERATIVE, FactorSpec
from poedsl.runtime.build.product_builder import ProductBuilder
from poedsl.runtime.build.sequence_experts import SequenceFactorBuilder
from poedsl.runtime.build.text_rules import text_rules
from poedsl.runtime.feynman_kac.prefixes import PrefixModel
from poedsl.runtime.feynman_kac.rewards import RewardWeights
from poedsl.runtime.kernels.kernels_by_name import symbol_kernel
from poedsl.runtime.smc import black_box_potentials
from poedsl.runtime.targets.prefix_stages import prefix_stages
from poedsl.runtime.targets.prefixes import SequenceTarget, Symbols, foreseen


def prefix_model(
    builder: ProductBuilder,
    space: Symbols,
    factors: list[FactorSpec],
    watch: Callable[[int, int], None] | None = None,
) -> PrefixModel:
    """Sequences that grow by the product of the experts' conditionals, with the rules on text
    built in.

    Args:
        space: that of the builder.
        watch: is called with the number of places that the rules have looked ahead, and of all.
    """
    env, options = builder.environment, builder.options
    sequence_experts = SequenceFactorBuilder(
        builder.plan, builder.models, builder.values, space, builder.exponent
    )
    experts = sequence_experts.of([f for f in factors if f.kind in GENERATIVE])
    env.vocabularies.update(sequence_experts.vocabularies)
    rewards = tuple(replace(r, differentiable=False) for r in builder.reward_factors(factors))
    without_rules = SequenceTarget(
        space,
        (),
        rewards,
        env,
        builder.space.loc.new_ones(1),
        builder.settings.particles_at_once,
        sequence_factors=experts,
    )
    clock = time.perf_counter()
    guess = cache(lambda: foreseen(without_rules, watch))
    rules = text_rules(factors, space, env, guess, builder.warnings)
    seconds = time.perf_counter() - clock
    target = replace(without_rules, rules=rules)
    stages = prefix_stages(min(options.steps, space.size), space.size)
    weights = RewardWeights(target, options, builder.warnings, warns_of_infinite_rewards=False)
    peak = black_box_potentials.initial_peak(options.potential)
    evaluations = (
        math.ceil(space.size * LOOK_AHEAD / (options.particles * options.islands)) if rules else 0
    )
    before = evaluations, seconds
    return PrefixModel(
        target, stages, options, symbol_kernel(options), weights, builder.warnings, peak, before
    )
