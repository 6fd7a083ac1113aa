"""Pass 6, the plan: from what the experts can do to how their product is sampled, with reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from poedsl.compiler.plan.approximations import approximation_notes
from poedsl.compiler.plan.chat_notes import chat_notes
from poedsl.compiler.plan.guidance import guidance_notes
from poedsl.compiler.plan.lowered import Lowered
from poedsl.compiler.plan.option_values import form_name
from poedsl.compiler.plan.options import OPTIONS
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.plan_parts import OptionSpec, UseSpec
from poedsl.compiler.plan.terms import Term
from poedsl.compiler.planner.choose_conditioning import choose_condition, choose_normalize_exponents
from poedsl.compiler.planner.choose_kernel import choose_kernel
from poedsl.compiler.planner.choose_move import choose_move
from poedsl.compiler.planner.choose_particles import (
    choose_islands,
    choose_keep,
    choose_particles,
    choose_start,
)
from poedsl.compiler.planner.choose_path import choose_path
from poedsl.compiler.planner.choose_resampling import choose_resample
from poedsl.compiler.planner.choose_steps import choose_steps
from poedsl.compiler.planner.choose_weights import choose_correct, choose_potential
from poedsl.compiler.planner.exponent_sums import exponent_sums
from poedsl.compiler.planner.product import Decision, PlannedProduct
from poedsl.compiler.planner.refuse_options import refuse
from poedsl.compiler.planner.refuse_start import refuse_start
from poedsl.grammar.diagnostics import Diagnostic

#: In an order in which each decision finds the options it depends on.
DECISIONS: dict[str, Decision] = {
    "particles": choose_particles,
    "path": choose_path,
    "move": choose_move,
    "kernel": choose_kernel,
    "steps": choose_steps,
    "correct": choose_correct,
    "condition": choose_condition,
    "potential": choose_potential,
    "resample": choose_resample,
    "start": choose_start,
    "islands": choose_islands,
    "normalize_exponents": choose_normalize_exponents,
    "keep": choose_keep,
}


def plan(
    lowered: Lowered, program: str, uses: tuple[UseSpec, ...] = ()
) -> tuple[PlanSpec, tuple[Diagnostic, ...]]:
    draft = PlanSpec(
        program=program,
        inputs=lowered.inputs,
        variables=lowered.variables,
        factors=lowered.factors,
        options=(),
        lets=lowered.lets,
        uses=uses,
        sizes=lowered.sizes,
        reports=lowered.reports,
    )
    chosen = choose(draft, {name: value for name, (value, _) in lowered.options.items()})
    tempered = form_name(chosen.option("path")) == "temper"
    diagnostics = refuse_start(lowered, tempered=tempered)
    if not lowered.incomplete and not diagnostics:
        places = {name: span for name, (_, span) in lowered.options.items()}
        diagnostics += refuse(chosen, {**lowered.spans, **places})
    notes, more = exponent_sums(chosen, lowered.complete, lowered.spans)
    return replace(chosen, notes=(*notes, *_remarks(chosen))), (*diagnostics, *more)


def choose(spec: PlanSpec, options: Mapping[str, Term]) -> PlanSpec:
    """The plan with all options; those that are not set are chosen, with a reason."""
    product = PlannedProduct.of(spec, options)
    values = dict(options)
    reasons: dict[str, str] = {}
    for name, decide in DECISIONS.items():
        if name not in options:
            values[name], reasons[name] = decide(product, values)
    listed = tuple(OptionSpec(n, values[n], reasons.get(n, "")) for n in OPTIONS)
    return replace(spec, options=listed)


def rechoose(spec: PlanSpec, options: Mapping[str, Term]) -> PlanSpec:
    """The plan with some options set; those that the compiler chose are chosen again."""
    explicit = {o.name: o.value for o in spec.options if not o.reason}
    chosen = choose(spec.sampled, {**explicit, **options})
    notes, _ = exponent_sums(chosen, spec.variables, {})
    notes = (*notes, *_remarks(chosen))
    return replace(chosen, notes=notes, factors=spec.factors, prior=spec.prior)


def _remarks(spec: PlanSpec) -> tuple[str, ...]:
    return (*approximation_notes(spec), *chat_notes(spec), *guidance_notes(spec))
