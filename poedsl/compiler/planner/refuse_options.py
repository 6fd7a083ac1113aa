"""Options that contradict the experts, or each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from poedsl.compiler.plan.guidance import exact_form, guided_factors
from poedsl.compiler.plan.option_forms import KernelRow
from poedsl.compiler.plan.option_values import filled_form, form_constants, form_name
from poedsl.compiler.plan.options import OPTIONS
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.terms import Apply, Const, Term
from poedsl.compiler.plan.text import print_term
from poedsl.compiler.planner.choose_weights import has_transition_density, is_controlled
from poedsl.compiler.planner.conservative_scores import nonconservative
from poedsl.compiler.planner.factors import capabilities
from poedsl.compiler.planner.refuse_path import Refusal, refuse_path
from poedsl.compiler.planner.refuse_sizes import beyond_limits
from poedsl.grammar.diagnostics import Diagnostic, Edit, Fix
from poedsl.grammar.source import NOWHERE, Span

#: The inner nodes of a line integral that is proposed.
LINE_NODES = 4


def refuse(spec: PlanSpec, spans: Mapping[str, Span]) -> list[Diagnostic]:
    """What these experts and options cannot do together, at most one diagnostic for each option.

    Args:
        spans: the places of factors and of options, as far as they have one.
    """
    options = {o.name: o.value for o in spec.options}
    if too_large := beyond_limits(spec, options, spans):
        return too_large
    refusals = (
        *refuse_path(spec, options),
        *_need_density(spec, options),
        *_weighted_guidance(spec, options),
        *_weights_without_move(options),
        *_unequal_islands(options),
        *_missing_stages(options),
        *_preconditioned_lines(options),
    )
    diagnostics: dict[str, Diagnostic] = {}
    for refusal in refusals:
        span = spans.get(refusal.option, NOWHERE)
        fixes: tuple[Fix, ...] = ()
        if refusal.option == "kernel" and span is not NOWHERE:
            fixes = _with_line(spec, options, span)
        diagnostic = Diagnostic("P0503", refusal.message, span, notes=refusal.notes, fixes=fixes)
        diagnostics.setdefault(refusal.option, diagnostic)
    return list(diagnostics.values())


def _need_density(spec: PlanSpec, options: Mapping[str, Term]) -> Iterator[Refusal]:
    """Forms that need a log density, or scores that are the gradient of one, and lack it."""
    field = nonconservative(spec, options)
    if field:
        why = "weights and acceptance ratios need scores that are the gradient of a log density"
        notes: tuple[str, ...] = (field, why)
    else:
        flows = (f for f in spec.factors if f.kind == "flow")
        scored = next((f for f in flows if "score" in capabilities(f, spec)), None)
        if scored is None:
            return
        notes = (f"`{scored.name}` at {scored.place} gives a score but no density",)
    for option in ("correct", "kernel"):
        value = options[option]
        form = OPTIONS[option].form(form_name(value))
        if form is None:
            continue
        needed = form.needs_conservative if field else form.needs_density
        if needed and (field or not uses_line(value)):
            yield Refusal(option, f"`{option} = {form.name}()` needs a density", notes)


def _weighted_guidance(spec: PlanSpec, options: Mapping[str, Term]) -> Iterator[Refusal]:
    """Weights take scores for those of noised densities, and a guided field has none."""
    if form_name(options["correct"]) == "fkc":
        for factor, call, scale in guided_factors(spec):
            message = "`correct = fkc()` needs scores of noised densities"
            note = f"`{factor.name}` at {factor.place} is guided; two experts have densities: "
            yield Refusal("correct", message, (note + exact_form(call, scale),))


def uses_line(kernel: Term) -> bool:
    """Whether a kernel accepts by a line integral of the scores in place of densities."""
    return form_constants(kernel).get("line") is not None


def _with_line(spec: PlanSpec, options: Mapping[str, Term], span: Span) -> tuple[Fix, ...]:
    """The kernel with a line integral, where the scores are the gradient of a log density."""
    kernel = options["kernel"]
    form = OPTIONS["kernel"].form(form_name(kernel))
    if nonconservative(spec, options) or not isinstance(form, KernelRow) or not form.needs_density:
        return ()
    if any(f.kind == "tokens" for f in spec.factors):
        return ()
    assert isinstance(kernel, Apply)
    defaults = dict(filled_form("kernel", form.name).kwargs)
    changed = tuple((name, value) for name, value in kernel.kwargs if value != defaults[name])
    text = print_term(replace(kernel, kwargs=(*changed, ("line", Const(LINE_NODES)))))
    fix = f"kernel = {text}"
    return (
        Fix(f"`{fix}` computes acceptance ratios from scores, approximately", (Edit(span, fix),)),
    )


def _weights_without_move(options: Mapping[str, Term]) -> Iterator[Refusal]:
    correct, move = form_name(options["correct"]), options["move"]
    if is_controlled(move):
        if correct != "fkc":
            message = f"`control = true` needs `correct = fkc()`, and it is {correct}()"
            notes = ("the control drift reduces the variance of the weights of `fkc()`",)
            yield Refusal("move", message, notes)
    elif correct == "ais" and not has_transition_density(move):
        message = "`correct = ais()` goes with `move = none()` or `move = sde()`"
        yield Refusal("correct", message, ("other moves have no transition density",))
    elif correct == "fkc" and form_name(move) == "none":
        message = "`correct = fkc()` corrects a move, and there is none"
        yield Refusal("correct", message, ("without a move, `ais()` gives exact ratios",))


def _unequal_islands(options: Mapping[str, Term]) -> Iterator[Refusal]:
    particles, islands = _integer(options["particles"]), _integer(options["islands"])
    if particles % islands:
        message = f"{particles} particles do not split into {islands} islands of one size"
        yield Refusal("islands", message)


def _missing_stages(options: Mapping[str, Term]) -> Iterator[Refusal]:
    resample, steps = options["resample"], _integer(options["steps"])
    when = dict(resample.kwargs).get("when") if isinstance(resample, Apply) else None
    if not isinstance(when, Apply) or when.function != "at":
        return
    missing = [stage for stage in map(_integer, when.args) if stage > steps]
    if missing:
        yield Refusal(
            "resample",
            f"there is no stage {missing[0]} to resample at",
            (f"with steps = {steps} the stages after a move are {steps} down to 1",),
        )


def _preconditioned_lines(options: Mapping[str, Term]) -> Iterator[Refusal]:
    constants = form_constants(options["kernel"])
    if constants.get("precondition") is True and constants.get("line") is not None:
        message = "`precondition = true` goes with log densities, and `line` does without them"
        note = "the line integral is taken in the coordinates of the variables"
        yield Refusal("kernel", message, (note,))


def _integer(term: Term) -> int:
    assert isinstance(term, Const) and isinstance(term.value, int)
    return term.value
