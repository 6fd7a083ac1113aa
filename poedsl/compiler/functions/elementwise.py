"""Functions of numbers, component by component."""

from __future__ import annotations

import math
from collections.abc import Callable

from poedsl.compiler.functions import constants
from poedsl.compiler.functions.function import (
    ArgumentError,
    ArgumentType,
    Function,
    FunctionParameter,
    parameters,
)
from poedsl.compiler.functions.result_types import elementwise_type, number_type, single_numbers
from poedsl.compiler.plan.terms import Const, Value
from poedsl.grammar.types import Type


def _each(f: Callable[..., Value]) -> Callable[..., Value]:
    return lambda *values: constants.elementwise(f, *values)


def _clamp_type(x: ArgumentType, low: ArgumentType, high: ArgumentType) -> Type | Const:
    ends = single_numbers(low, high)
    if ends is not None and ends[0] > ends[1]:
        raise ArgumentError(f"`low` is at most `high`, and these are {ends[0]} and {ends[1]}")
    return elementwise_type()(x, low, high)


def _where_type(c: ArgumentType, a: ArgumentType, b: ArgumentType) -> Type | Const:
    return elementwise_type(number_type((a, b)))(c, a, b)


def _sigmoid(x: float) -> float:
    small = math.exp(-abs(x))
    return (1 if x >= 0 else small) / (1 + small)


def _softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


_X = parameters("x")
_SAME, _REAL, _WHOLE = elementwise_type(), elementwise_type("Real"), elementwise_type("Int")

ELEMENTWISE = (
    Function(
        "where",
        (FunctionParameter("c", "conditions"), FunctionParameter("a"), FunctionParameter("b")),
        _where_type,
        "a where a condition holds, b elsewhere",
        "where([1, -2] > 0, 1, 0.5)",
        _each(lambda c, a, b: a if c else b),
        has_atoms=True,
    ),
    Function("abs", _X, _SAME, "absolute value", "abs([-1, 2])", _each(abs)),
    Function(
        "sign",
        _X,
        _WHOLE,
        "-1, 0 or 1",
        "sign([-2.5, 0])",
        _each(lambda x: (x > 0) - (x < 0)),
        has_atoms=True,
    ),
    Function(
        "floor",
        _X,
        _WHOLE,
        "the whole number at or below",
        "floor(-0.5)",
        _each(math.floor),
        has_atoms=True,
    ),
    Function(
        "round",
        _X,
        _WHOLE,
        "the nearest whole number, halves to even",
        "round(2.5)",
        _each(round),
        has_atoms=True,
    ),
    Function(
        "clamp",
        parameters("x", "low", "high"),
        _clamp_type,
        "x, held between low and high",
        "clamp([-1, 0.5, 3], low = 0, high = 1)",
        _each(lambda x, low, high: min(max(x, low), high)),
        has_atoms=True,
    ),
    Function("sqrt", _X, _REAL, "square root", "sqrt(2)", _each(math.sqrt)),
    Function("exp", _X, _REAL, "exponential", "exp(-1)", _each(math.exp)),
    Function("log", _X, _REAL, "natural logarithm", "log(10)", _each(math.log)),
    Function("sin", _X, _REAL, "sine", "sin(0.5)", _each(math.sin)),
    Function("cos", _X, _REAL, "cosine", "cos(0.5)", _each(math.cos)),
    Function("tan", _X, _REAL, "tangent", "tan(0.5)", _each(math.tan)),
    Function("tanh", _X, _REAL, "hyperbolic tangent", "tanh([-1, 0.5])", _each(math.tanh)),
    Function("sigmoid", _X, _REAL, "1 / (1 + exp(-x))", "sigmoid([-2, 0, 90])", _each(_sigmoid)),
    Function("softplus", _X, _REAL, "log(1 + exp(x))", "softplus([-2, 0, 90])", _each(_softplus)),
)
