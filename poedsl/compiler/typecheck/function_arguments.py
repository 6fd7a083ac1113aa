"""Arguments in a call of a function: which parameter each is for, and whether it fits."""

from __future__ import annotations

from collections.abc import Set

from poedsl.compiler.functions.constants import constant_value
from poedsl.compiler.functions.function import ArgumentType, Function, FunctionParameter
from poedsl.compiler.names.suggestions import similar_name_fix
from poedsl.compiler.plan.terms import Const, names
from poedsl.compiler.typecheck.typed import Typed, describe, typed_constant
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Diagnostic, Label
from poedsl.grammar.source import NOWHERE, Span
from poedsl.grammar.types import NONE
from poedsl.grammar.wording import counted_noun


def match_function_arguments(
    function: Function, arguments: tuple[tree.Argument, ...], span: Span
) -> tuple[dict[str, tree.Argument], list[Diagnostic]]:
    """The arguments by parameter name, and the errors of the call at ``span``."""
    parameters = [p.name for p in function.parameters]
    note = (f"{function}",)
    matched: dict[str, tree.Argument] = {}
    errors: list[Diagnostic] = []
    for position, argument in enumerate(arguments):
        place = argument.span
        if argument.weight is not None:
            message = f"an argument of `{function.name}` has no weight"
            errors.append(Diagnostic("P0301", message, place, notes=note))
            continue
        if argument.name is None and position >= len(parameters):
            message = (
                f"`{function.name}` takes {_accepted_count(function)}, and has {len(arguments)}"
            )
            errors.append(Diagnostic("P0301", message, place, notes=note))
            break
        name = argument.name or parameters[position]
        if name not in parameters:
            message = f"`{function.name}` has no parameter `{name}`"
            fixes = similar_name_fix(name, argument.name_span, parameters, "a parameter")
            errors.append(Diagnostic("P0301", message, argument.name_span, notes=note, fixes=fixes))
        elif name in matched:
            message = f"`{function.name}` is given `{name}` twice"
            labels = (Label(matched[name].span, "given here already"),)
            errors.append(Diagnostic("P0301", message, place, labels=labels, notes=note))
        else:
            matched[name] = argument
    missing = [p.name for p in function.parameters if p.required and p.name not in matched]
    if missing and not errors:
        listed = " and ".join(f"`{n}`" for n in missing)
        errors.append(Diagnostic("P0301", f"`{function.name}` needs {listed}", span, notes=note))
    return matched, errors


def _accepted_count(function: Function) -> str:
    least, most = sum(p.required for p in function.parameters), len(function.parameters)
    return counted_noun(most, "argument") if least == most else f"{least} to {most} arguments"


def omitted_argument(parameter: FunctionParameter) -> Typed:
    """The value of an argument that a call omits."""
    if isinstance(parameter.default, int):
        return typed_constant(parameter.default, NOWHERE)
    return Typed(Const(None), NONE)


def argument_errors(
    typed: Typed,
    parameter: FunctionParameter,
    function: Function,
    variables: frozenset[str],
    elements: Set[str],
    place: Span,
) -> list[Diagnostic]:
    """The errors of an argument that is not of the kind that its parameter accepts."""
    kind = parameter.kind
    alone = len(function.parameters) == 1
    subject = f"`{function.name}`" if alone else f"`{parameter.name}` of `{function.name}`"
    if kind.is_setting and (inner := sorted(names(typed.term) & variables)):
        message = f"{subject} depends on the variable `{inner[0]}`"
        return [Diagnostic("P0312", message, place, notes=(f"{function}",))]
    if kind.is_setting and (bound := sorted(names(typed.term) & elements)):
        message = f"{subject} is one for all elements of a loop, and this depends on `{bound[0]}`"
        return [Diagnostic("P0312", message, place, notes=(f"{function}",))]
    if kind.accepts(ArgumentType(typed.type, constant_value(typed.term))):
        return []
    message = f"{subject} takes {kind.description}, and this is {describe(typed.type)}"
    return [Diagnostic(kind.code, message, place, notes=(f"{function}",))]
