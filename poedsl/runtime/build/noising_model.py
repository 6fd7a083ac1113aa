"""The model of a plan on the noising path."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from poedsl.compiler.plan.option_values import form_name
from poedsl.compiler.plan.options import OPTIONS
from poedsl.compiler.plan.plan_parts import GENERATIVE, FactorSpec
from poedsl.compiler.plan.terms import Apply, Const
from poedsl.experts.loading.shared_networks import free_encoders
from poedsl.experts.protocol import Scheduled
from poedsl.runtime.build.balanced_schedule import balanced
from poedsl.runtime.build.exponents import covered, exponents
from poedsl.runtime.build.mutation import mutation, shown_stages
from poedsl.runtime.build.positive_precision import refuse_improper_stages
from poedsl.runtime.build.product_builder import ProductBuilder
from poedsl.runtime.feynman_kac.noising_path import NoisingPathModel
from poedsl.runtime.path.noising_path import FlowPath, Schedule, at_times
from poedsl.runtime.smc import black_box_potentials
from poedsl.runtime.smc.composition import Observer
from poedsl.runtime.space.parts import PlacedFactor
from poedsl.runtime.targets.expert_factor import ExpertFactor
from poedsl.runtime.targets.parent_guidance import ParentGuidance, parent_guidance
from poedsl.runtime.targets.target import Target
from poedsl.runtime.terms.refusals import factor_at, refused


def noising_model(builder: ProductBuilder, factors: list[FactorSpec]) -> NoisingPathModel:
    """Experts at every noise level, from N(0, I / W) to the data.

    Raises:
        PoeError: a component has no expert, an option needs a density that is not there, or the
            product is not a density at some stage.
    """
    options = builder.options
    placed = builder.placed(factors)
    covered(placed, builder.space)
    refuse_without_density(builder, placed)
    gaussians = builder.gaussians(placed)
    builder = builder.in_space(builder.standardised(placed, gaussians))
    experts = builder.expert_factors(placed, gaussians, guidance(builder, placed))
    free_encoders()
    rewards = builder.reward_factors(factors)
    path = noising_path(builder, placed, experts)
    check_precision(builder, factors, experts, path)
    target = Target(
        builder.space,
        experts,
        rewards,
        builder.environment,
        path.exponents,
        builder.particles_at_once(rewards),
        squares=options.correct == "fkc",
    )
    observer = Observer.of(target, path.stages, corrected=options.correct != "none")
    moves = mutation(target, options, builder.warnings, warns_of_infinite_rewards=True)
    peak = black_box_potentials.initial_peak(options.potential)
    shown = shown_stages(len(path.stages), builder.settings)
    return NoisingPathModel(
        target=target,
        path=path,
        options=options,
        mutation=moves,
        observer=observer,
        peak=peak,
        shown=shown,
    )


def noising_path(
    builder: ProductBuilder, placed: Sequence[PlacedFactor], experts: Sequence[ExpertFactor]
) -> FlowPath:
    options, size = builder.options, builder.space.size
    total = exponents(placed, size, builder.space.loc)
    alike = float(total.min()) == float(total.max())
    stages = schedule(builder, placed, experts)
    return FlowPath.build(options.steps, total[:1] if alike else total, options.eta, stages)


def schedule(
    builder: ProductBuilder, placed: Sequence[PlacedFactor], experts: Sequence[ExpertFactor]
) -> Schedule | None:
    """The schedule of the first model that has one, for the whole of its variable, or that of
    Gaussians where there are no others.
    """
    steps = builder.options.steps
    for p, factor in zip(placed, experts, strict=True):
        if isinstance(factor.expert, Scheduled):
            snaps = any(isinstance(a.expert, Scheduled) and a.expert.snaps for a in experts)
            shape = builder.space.shapes[p.factor.variables[0]]
            return at_times(factor.expert.times(steps, shape, snaps=snaps))
    return balanced(experts, builder.space.size, steps)


def guidance(builder: ProductBuilder, placed: Sequence[PlacedFactor]) -> dict[str, ParentGuidance]:
    """How experts are conditioned on their parents; a weight of zero leaves them as they are."""
    condition = builder.plan.option("condition")
    arguments = dict(condition.kwargs) if isinstance(condition, Apply) else {}
    forward = arguments.get("gradient") == Apply("forward")
    match arguments.get("weight"), arguments.get("updates"):
        case Const(float() | int() as weight), Const(int(updates)) if weight:
            guide = ParentGuidance(float(weight), updates, (), forward)
            return parent_guidance(placed, builder.space, guide)
        case _:
            return {}


def refuse_without_density(builder: ProductBuilder, placed: Sequence[PlacedFactor]) -> None:
    """Refuse what needs a density where a mask as exponent leaves none."""
    mask = next((p for p in placed if isinstance(p.exponent, Tensor)), None)
    if mask is None:
        return
    for option in ("correct", "kernel"):
        form = OPTIONS[option].form(form_name(builder.plan.option(option)))
        if form is not None and form.needs_conservative:
            raise refused(
                "P0503",
                f"`{option} = {form.name}()` needs a density",
                f"the exponent of {factor_at(mask.factor)} varies over its components",
            )


def check_precision(
    builder: ProductBuilder,
    factors: Sequence[FactorSpec],
    experts: Sequence[ExpertFactor],
    path: FlowPath,
) -> None:
    """Whether the product of each variable's Gaussians is a density at every stage."""
    of = {f.name: f.variables[0] for f in factors}
    for variable in builder.space.shapes:
        seeing = [a for a in experts if of[a.name] == variable]
        rewarded = any(f.kind not in GENERATIVE and variable in f.variables for f in factors)
        refuse_improper_stages(seeing, path.stages, builder.space, variable, rewarded=rewarded)
