"""Functions that reduce all components to one."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable

from poedsl.compiler.functions import constants
from poedsl.compiler.functions.constants import Number, flatten
from poedsl.compiler.functions.function import (
    ArgumentType,
    Function,
    FunctionParameter,
    parameters,
)
from poedsl.compiler.functions.result_types import (
    condition_type,
    elementwise_type,
    reduced_type,
)
from poedsl.compiler.plan.terms import Const, Value
from poedsl.grammar.types import Type


def _fold(f: Callable[[list[Number]], Value]) -> Callable[[Value], Value]:
    return lambda value: f(flatten(value))


def _extreme(pick: Callable[..., Number]) -> Callable[..., Value]:
    def evaluate(*values: Value) -> Value:
        return (
            pick(flatten(values[0])) if len(values) == 1 else constants.elementwise(pick, *values)
        )

    return evaluate


def _extreme_type(x: ArgumentType, y: ArgumentType | None = None) -> Type | Const:
    return reduced_type()(x) if y is None else elementwise_type()(x, y)


def _mean(numbers: list[Number]) -> float:
    return sum(numbers) / len(numbers)


def _var(numbers: list[Number]) -> float:
    centre = _mean(numbers)
    return _mean([(x - centre) * (x - centre) for x in numbers])


def _prod(numbers: list[Number]) -> Number:
    total: Number = 1
    for number in numbers:
        total *= number
        if abs(total) > sys.float_info.max:
            raise OverflowError
    return total


_X = parameters("x")
_X_OR_XY = (FunctionParameter("x"), FunctionParameter("y", default=None))
_CONDITIONS = parameters("x", takes="conditions")


REDUCTIONS = (
    Function(
        "sum",
        (FunctionParameter("x", "countable"),),
        reduced_type(),
        "sum of all components; of conditions, how many hold",
        "sum(m^2 for m in [1, 2])",
        _fold(sum),
    ),
    Function("prod", _X, reduced_type(), "product of all components", "prod([2, 3])", _fold(_prod)),
    Function(
        "mean",
        (FunctionParameter("x", "countable"),),
        reduced_type("Real"),
        "mean of all components; of conditions, the share that holds",
        "mean([1, 2])",
        _fold(_mean),
    ),
    Function(
        "var",
        _X,
        reduced_type("Real"),
        "variance of all components: the mean square distance from their mean",
        "var([1, 2, 4])",
        _fold(_var),
        has_atoms=True,
    ),
    Function(
        "std",
        _X,
        reduced_type("Real"),
        "standard deviation of all components, the root of `var`",
        "std([1, 2, 4])",
        _fold(lambda numbers: math.sqrt(_var(numbers))),
        has_atoms=True,
    ),
    Function(
        "norm",
        _X,
        reduced_type("Real"),
        "Euclidean norm of all components",
        "norm([3, 4])",
        _fold(lambda numbers: math.sqrt(sum(x * x for x in numbers))),
    ),
    Function(
        "min",
        _X_OR_XY,
        _extreme_type,
        "smallest component, or of two",
        "min([2, 1])",
        _extreme(min),
        has_atoms=True,
    ),
    Function(
        "max",
        _X_OR_XY,
        _extreme_type,
        "largest component, or of two",
        "max([0, 2], 1)",
        _extreme(max),
        has_atoms=True,
    ),
    Function(
        "all",
        _CONDITIONS,
        condition_type,
        "whether all conditions hold",
        "all([1, 2] > 0)",
        _fold(all),
        has_atoms=True,
    ),
    Function(
        "any",
        _CONDITIONS,
        condition_type,
        "whether one condition holds",
        "any([1, 2] > 1)",
        _fold(any),
        has_atoms=True,
    ),
)
