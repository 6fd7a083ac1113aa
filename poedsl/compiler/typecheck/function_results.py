"""Results of functions; a call with constant arguments becomes a constant."""

from __future__ import annotations

from poedsl.compiler.functions.constants import MOST_NUMBERS, constant_value
from poedsl.compiler.functions.function import ArgumentError, ArgumentType, Deferred, Function
from poedsl.compiler.plan.terms import Apply, Const, Term
from poedsl.compiler.typecheck.lists import exceeds_constant_limit
from poedsl.compiler.typecheck.scope import TypeScope
from poedsl.compiler.typecheck.typed import Typed, finite, typed_constant
from poedsl.grammar.source import Span
from poedsl.grammar.types import Type

OMITTED = Const(None)


def function_result(checker: TypeScope, function: Function, args: list[Typed], span: Span) -> Typed:
    try:
        result = function.result_type(*(ArgumentType(a.type, constant_value(a.term)) for a in args))
    except ArgumentError as error:
        message = f"`{function.name}`: {error}"
        return checker.error(error.code, message, span, notes=error.notes)
    if isinstance(result, Const):
        checker.work.add(numbers_of(result), span)
        return typed_constant(result.value, span)
    if function.fold is not None and all(isinstance(a.term, Const) for a in args):
        return fold_call(checker, function, args, result, span)
    return Typed(called(function, [a.term for a in args], span), result)


def numbers_of(constant: Const) -> int:
    """How many numbers, or rows of them, a constant has."""
    return len(constant.value) if isinstance(constant.value, tuple) else 1


def called(function: Function, args: list[Term], span: Span) -> Apply:
    """The call; arguments after one that is omitted have names."""
    positional = args.index(OMITTED) if OMITTED in args else len(args)
    named = zip(function.parameters[positional:], args[positional:], strict=False)
    kwargs = tuple(
        (p.name, arg) for p, arg in named if not isinstance(arg, Const) or arg.value != p.default
    )
    return Apply(function.name, tuple(args[:positional]), kwargs, span)


def fold_call(
    checker: TypeScope, function: Function, args: list[Typed], type_: Type, span: Span
) -> Typed:
    assert function.fold is not None
    if exceeds_constant_limit(type_):
        return checker.error("P0306", f"this has more than {MOST_NUMBERS:,} numbers", span)
    checker.work.add(max(type_.count or 1, *(a.type.count or 1 for a in args)), span)
    try:
        value = function.fold(*(a.value for a in args))
    except Deferred:
        return Typed(called(function, [a.term for a in args], span), type_)
    except ArgumentError as error:
        message = f"this has no value: in `{function.name}` {error}"
        return checker.error(error.code, message, span)
    except OverflowError:
        return checker.error("P0306", "this has no value: the result is too large", span)
    except ValueError:
        message = f"this has no value: `{function.name}` is not defined here"
        return checker.error("P0306", message, span)
    if not finite(value):
        return checker.error("P0306", "this has no value: the result is too large", span)
    return Typed(Const(value, span), type_)
