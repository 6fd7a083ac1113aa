"""Types of `log_prob(density, x)`, the log density of values as a number for each event."""

from __future__ import annotations

from poedsl.compiler.plan.terms import Apply, Const
from poedsl.compiler.typecheck.expert_factors import parameters_fit_target, report_no_density
from poedsl.compiler.typecheck.model_arguments import check_arguments
from poedsl.compiler.typecheck.model_calls import expert_term
from poedsl.compiler.typecheck.scope import TypeScope
from poedsl.compiler.typecheck.target import TypedTarget
from poedsl.compiler.typecheck.typed import POISONED, Typed, counted, describe
from poedsl.grammar import tree
from poedsl.grammar.types import Type, broadcast


def log_density(checker: TypeScope, expr: tree.Call) -> Typed:
    """One number for each event: each component, or each vector for densities over vectors."""
    arguments = expr.arguments
    if len(arguments) != 2 or any(a.name or a.weight is not None for a in arguments):
        message = "`log_prob` takes a density and a value: `log_prob(Normal(0, 1), x)`"
        return checker.error("P0301", message, expr.span)
    call, subject = arguments[0].value, arguments[1].value
    signature = checker.signature_of(call)
    if signature is None or not isinstance(call, tree.Call):
        message = "`log_prob` takes a density first, such as `Normal(0, 1)`"
        return checker.error("P0302", message, call.span)
    if not signature.describes_data:
        report_no_density(checker, call, signature)
        return POISONED
    typed = counted(checker.value(subject))
    with checker.about(checker.target_variable, data=True):
        parameters = check_arguments(checker, call, signature)
    if parameters is None or not typed.ok:
        return POISONED
    if not typed.type.is_numeric:
        message = f"`log_prob` takes numbers, and this is {describe(typed.type)}"
        return checker.error("P0311", message, subject.span)
    sizes = typed.type.sizes
    for name, value in parameters.items():
        declared = signature.parameter(name)
        if declared is not None and declared.role != "matrix" and not declared.trailing:
            sizes = broadcast(sizes, value.type.sizes) or sizes
    whole = Typed(Const(None), Type(typed.type.name, sizes))
    target = TypedTarget("", whole, subject.span, observed=True)
    if not parameters_fit_target(checker, call, signature, parameters, target):
        return POISONED
    term = expert_term(call, signature, parameters)
    events = sizes[: len(sizes) - signature.event_rank]
    return Typed(Apply("log_prob", (term, typed.term), span=expr.span), Type("Real", events))
