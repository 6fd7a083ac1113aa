"""Types of calls of functions; a call with constant arguments becomes a constant."""

from __future__ import annotations

from poedsl.compiler.functions.constants import MOST_NUMBERS, constant_value
from poedsl.compiler.functions.function import ArgumentError, ArgumentType, Function
from poedsl.compiler.functions.table import FUNCTIONS
from poedsl.compiler.plan.terms import Apply, Const
from poedsl.compiler.typecheck.function_arguments import (
    argument_errors,
    match_function_arguments,
    omitted_argument,
)
from poedsl.compiler.typecheck.lists import exceeds_constant_limit, unroll
from poedsl.compiler.typecheck.scope import TypeScope
from poedsl.compiler.typecheck.typed import POISONED, Typed, counted, finite, typed_constant
from poedsl.grammar import tree
from poedsl.grammar.source import Span
from poedsl.grammar.types import NONE, Type


def function_call(checker: TypeScope, expr: tree.Call | tree.Comprehension) -> Typed:
    """A call of a function; a comprehension gives it one list, the body at each element."""
    function = FUNCTIONS[expr.function.name]
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
            args.append(unroll(checker, expr))
        else:
            value = checker.value(matched[parameter.name].value)
            args.append(value if parameter.kind.accepts_symbols else counted(value))
    for typed, parameter in zip(args, function.parameters, strict=True):
        if typed.ok and parameter.name in matched:
            place = matched[parameter.name].value.span
            errors += argument_errors(typed, parameter, function, checker.variables, place)
    checker.diagnostics += errors
    if errors or not all(a.ok for a in args):
        return POISONED
    while args[-1].type == NONE:
        args.pop()
    return function_result(checker, function, args, expr.span)


def function_result(checker: TypeScope, function: Function, args: list[Typed], span: Span) -> Typed:
    try:
        result = function.result_type(*(ArgumentType(a.type, constant_value(a.term)) for a in args))
    except ArgumentError as error:
        message = f"`{function.name}`: {error}"
        return checker.error(error.code, message, span, notes=error.notes)
    if isinstance(result, Const):
        return typed_constant(result.value, span)
    if function.fold is not None and all(isinstance(a.term, Const) for a in args):
        return fold_call(checker, function, args, result, span)
    return Typed(Apply(function.name, tuple(a.term for a in args), span=span), result)


def fold_call(
    checker: TypeScope, function: Function, args: list[Typed], type_: Type, span: Span
) -> Typed:
    assert function.fold is not None
    if exceeds_constant_limit(type_):
        return checker.error("P0306", f"this has more than {MOST_NUMBERS:,} numbers", span)
    try:
        value = function.fold(*(a.value for a in args))
    except OverflowError:
        return checker.error("P0306", "this has no value: the result is too large", span)
    except ValueError:
        message = f"this has no value: `{function.name}` is not defined here"
        return checker.error("P0306", message, span)
    if not finite(value):
        return checker.error("P0306", "this has no value: the result is too large", span)
    return Typed(Const(value, span), type_)
