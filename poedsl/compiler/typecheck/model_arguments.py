"""Arguments of experts, rewards and sources."""

from __future__ import annotations

import math
from collections.abc import Mapping

from poedsl.catalog.parameter_ranges import no_shares, out_of_range
from poedsl.catalog.signatures import Signature, SignatureParameter
from poedsl.compiler.functions import linear_algebra
from poedsl.compiler.functions.constants import flatten
from poedsl.compiler.plan.terms import Const, Ref, Value, names
from poedsl.compiler.typecheck.scope import TypeScope
from poedsl.compiler.typecheck.typed import Typed, describe, fits
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Edit, Fix, Label
from poedsl.grammar.source import Span
from poedsl.grammar.types import Type


def check_arguments(
    checker: TypeScope, call: tree.Call, signature: Signature
) -> dict[str, Typed] | None:
    """The arguments by name; None where one is wrong."""
    before = len(checker.diagnostics)
    out: dict[str, Typed] = {}
    for argument in call.arguments:
        if argument.name is None:
            return None
        parameter = signature.parameter(argument.name)
        typed = out[argument.name] = checker.value(argument.value)
        if not typed.ok:
            continue
        if parameter is None:
            check_subject(checker, typed, argument, call, signature)
        else:
            check_argument(checker, typed, argument, parameter, call, signature)
    for argument in call.arguments:
        parameter = signature.parameter(argument.name or "")
        if parameter is not None and parameter.needs and _has_value(out, parameter.name):
            check_need(checker, argument, parameter, out, signature)
    sound = len(checker.diagnostics) == before and all(t.ok for t in out.values())
    return out if sound and not lacks_argument(signature, out) else None


def check_need(
    checker: TypeScope,
    argument: tree.Argument,
    parameter: SignatureParameter,
    arguments: Mapping[str, Typed],
    signature: Signature,
) -> None:
    """Report an argument whose meaning depends on another, which is left out."""
    if not _has_value(arguments, parameter.needs):
        message = f"`{parameter.name}` of `{signature.name}` goes with `{parameter.needs}`"
        span = argument.value.span
        checker.error("P0307", f"{message}, which is left out", span, notes=(str(signature),))


def _has_value(arguments: Mapping[str, Typed], name: str) -> bool:
    """Whether there is an argument of a name, and it is not none."""
    typed = arguments.get(name)
    return typed is not None and typed.term != Const(None)


def check_subject(
    checker: TypeScope, typed: Typed, argument: tree.Argument, call: tree.Call, signature: Signature
) -> None:
    if not signature.domains or any(fits(typed.type, d) for d in signature.domains):
        return
    name = argument.value.name if isinstance(argument.value, tree.Name) else ""
    subject = f"`{name}`" if name else "this"
    checker.error(
        "P0302",
        f"`{signature.name}` scores {signature.scored}, and {subject} is {describe(typed.type)}",
        argument.span if argument.span.end else call.span,
        labels=(Label(checker.places[name], f"`{name}` is {typed.type} here"),)
        if name in checker.places
        else (),
        notes=(str(signature),),
    )


def check_argument(
    checker: TypeScope,
    typed: Typed,
    argument: tree.Argument,
    parameter: SignatureParameter,
    call: tree.Call,
    signature: Signature,
) -> None:
    nothing = isinstance(typed.term, Const) and typed.term.value is None
    if nothing and parameter.default is None and not parameter.alternative:
        return
    unfit = (
        not typed.type.is_numeric or typed.type.name == "Bool"
        if parameter.type is None
        else not fits(typed.type, parameter.type)
    )
    if unfit:
        report_mismatch(checker, typed, argument, parameter, call, signature)
    elif inner := forbidden_variable(checker, typed, signature):
        checker.error(
            "P0312",
            f"`{parameter.name}` of `{signature.name}` depends on the variable `{inner}`",
            argument.value.span,
            notes=(
                "models are conditioned on constants, inputs and expressions in them",
                "a dependence between two variables is a density of one conditioned on the other, "
                "or a reward of both",
            ),
        )
    elif parameter.fixed and (shape := min(names(typed.term) & checker.variables, default="")):
        checker.error(
            "P0314",
            f"`{parameter.name}` of `{signature.name}` depends on the variable `{shape}`",
            argument.value.span,
            notes=(
                "the gradient of its normalising constant in this parameter is not available; the "
                "other parameters and the bounds may depend on variables",
            ),
        )
    elif parameter.role == "gradient" and not isinstance(typed.term, Const):
        message = f"`{parameter.name}` of `{signature.name}` is known when it is compiled"
        checker.error("P0302", message, argument.value.span, notes=("it is true or false",))
    else:
        check_range(checker, typed, argument, parameter)


def forbidden_variable(checker: TypeScope, typed: Typed, signature: Signature) -> str:
    """The variable that an argument may not depend on; empty where there is none.

    The arguments of rewards and of densities of data may depend on any variable, those of other
    densities on any but their own.
    """
    if signature.family == "reward" or (checker.on_data and signature.describes_data):
        return ""
    forbidden = {checker.target_variable} if signature.family == "density" else checker.variables
    return min(names(typed.term) & forbidden, default="")


def report_mismatch(
    checker: TypeScope,
    typed: Typed,
    argument: tree.Argument,
    parameter: SignatureParameter,
    call: tree.Call,
    signature: Signature,
) -> None:
    name = parameter.name
    type_name = "numbers" if parameter.type is None else str(parameter.type)
    ambient = argument.span == call.span
    labels: tuple[Label, ...] = ()
    if isinstance(typed.term, Ref) and typed.term.name in checker.places:
        place = checker.places[typed.term.name]
        labels = (Label(place, f"`{typed.term.name}` is {typed.type} here"),)
    hidden = checker.variables | checker.renamed
    others = {n: t for n, t in checker.environment.items() if n not in hidden}
    alternatives = [n for n in names_of_type(parameter.type, others) if n != name or not ambient]
    edit = Edit(argument.value.span, alternatives[0] if alternatives else "")
    if ambient:
        comma = ", " if checker.text(call.span).rstrip(" )")[-1:] != "(" else ""
        end = call.span.end - 1
        edit = Edit(Span(end, end), f"{comma}{name} = {alternatives[0] if alternatives else ''}")
    checker.error(
        "P0302",
        f"`{signature.name}` takes `{name}` from the program, where it is "
        f"{describe(typed.type)}, not {describe_parameter_type(parameter)}"
        if ambient
        else f"`{name}` of `{signature.name}` takes {describe_parameter_type(parameter)}, "
        f"and this is {describe(typed.type)}",
        argument.value.span,
        labels=labels,
        notes=(str(signature),),
        fixes=(Fix(f"there is a {type_name} in scope: `{alternatives[0]}`", (edit,)),)
        if len(alternatives) == 1
        else (),
    )


def check_range(
    checker: TypeScope, typed: Typed, argument: tree.Argument, parameter: SignatureParameter
) -> None:
    value = typed.value
    if value is None:
        return
    reason = parameter.no_label(value)
    if parameter.role in ("positive", "frames") and any(x <= 0 for x in flatten(value)):
        reason = f"is above 0, and this is {min(flatten(value))}"
    elif parameter.role in ("probability", "shares", "count"):
        numbers = flatten(value)
        whole = all(float(x).is_integer() for x in numbers)
        reason = out_of_range(parameter.role, min(numbers), max(numbers), whole)
    if parameter.role == "shares" and not reason:
        reason = no_shares(row_sums(value))
    if parameter.role == "matrix":
        reason = linear_algebra.why_not(value, parameter.name)
    if reason:
        checker.error("P0307", f"`{parameter.name}` {reason}", argument.value.span)


def row_sums(value: Value) -> list[float]:
    """The sums over the last size of a constant."""
    if not isinstance(value, tuple):
        return [1.0]
    if all(isinstance(v, tuple) for v in value):
        return [s for v in value for s in row_sums(v)]
    return [math.fsum(flatten(value))]


def names_of_type(type_: Type | None, environment: Mapping[str, Typed]) -> list[str]:
    """The names whose values are accepted where a type is required."""
    if type_ is None:
        return []
    return sorted(n for n, t in environment.items() if t.ok and fits(t.type, type_))


def describe_parameter_type(parameter: SignatureParameter) -> str:
    return "numbers" if parameter.type is None else describe(parameter.type)


def lacks_argument(signature: Signature, arguments: Mapping[str, Typed]) -> bool:
    """Whether an argument that is needed is missing, which name resolution has reported."""
    groups = {p.alternative for p in signature.parameters if p.alternative}
    chosen = [p.alternative for p in signature.parameters if p.alternative and p.name in arguments]
    missing = any(p.required and p.name not in arguments for p in signature.parameters)
    return missing or len(chosen) != len(groups)
