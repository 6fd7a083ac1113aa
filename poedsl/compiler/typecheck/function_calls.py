"""Calls of functions: their arguments by parameter."""

from __future__ import annotations

from poedsl.compiler.functions.table import FUNCTIONS
from poedsl.compiler.typecheck.comprehensions import comprehension
from poedsl.compiler.typecheck.function_arguments import (
    argument_errors,
    match_function_arguments,
    omitted_argument,
)
from poedsl.compiler.typecheck.function_results import function_result
from poedsl.compiler.typecheck.scope import TypeScope
from poedsl.compiler.typecheck.typed import POISONED, Typed, counted
from poedsl.grammar import tree
from poedsl.grammar.types import NONE


def function_call(checker: TypeScope, expr: tree.Call | tree.Comprehension) -> Typed:
    """A call of a function; a comprehension gives it one list, the body at each element."""
    function = FUNCTIONS[expr.called]
    arguments = (expr.body,) if isinstance(expr, tree.Comprehension) else expr.arguments
    matched, errors = match_function_arguments(function, arguments, expr.span)
    if errors:
        checker.diagnostics += errors
        return POISONED
    args: list[Typed] = []
    for parameter in function.parameters:
        if parameter.name not in matched:
            args.append(omitted_argument(parameter))
        elif isinstance(expr, tree.Comprehension):
            args.append(comprehension(checker, expr))
        else:
            value = checker.value(matched[parameter.name].value)
            args.append(value if parameter.kind.accepts_symbols else counted(value))
    for typed, parameter in zip(args, function.parameters, strict=True):
        if typed.ok and parameter.name in matched:
            place = matched[parameter.name].value.span
            errors += argument_errors(
                typed, parameter, function, checker.variables, checker.elements, place
            )
    checker.diagnostics += errors
    if errors or not all(a.ok for a in args):
        return POISONED
    while args[-1].type == NONE:
        args.pop()
    return function_result(checker, function, args, expr.span)
