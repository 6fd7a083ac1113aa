"""Functions that reduce all components to one, or those along an axis."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from itertools import pairwise

from poedsl.compiler.functions import constants
from poedsl.compiler.functions.axes import AXIS, axis_of, kept, reduced, reduced_along
from poedsl.compiler.functions.constants import Number
from poedsl.compiler.functions.function import (
    ArgumentError,
    ArgumentType,
    Function,
    FunctionParameter,
    TypeRule,
)
from poedsl.compiler.functions.result_types import elementwise_type, number_type
from poedsl.compiler.plan.terms import Const, Value
from poedsl.grammar.types import NONE, Type


def _extreme(pick: Callable[..., Number]) -> Callable[..., Value]:
    def evaluate(x: Value, y: Value | None = None, axis: int | None = None) -> Value:
        return reduced(pick)(x, axis) if y is None else constants.elementwise(pick, x, y)

    return evaluate


def _extreme_type(
    x: ArgumentType, y: ArgumentType | None = None, axis: ArgumentType | None = None
) -> Type | Const:
    if y is None or y.type == NONE:
        return reduced_along(x, axis)
    if axis is not None:
        raise ArgumentError("it takes two values, or one and an axis", "P0301")
    return elementwise_type()(x, y)


def _reduced_type(name: str = "") -> TypeRule:
    return lambda x, axis=None: reduced_along(x, axis, name)


def _kept_type(name: str = "") -> TypeRule:
    def result_type(x: ArgumentType, axis: ArgumentType) -> Type:
        axis_of(x.type.sizes, axis)
        return Type(name or number_type((x,)), x.type.sizes)

    return result_type


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


def _logsumexp(numbers: list[Number]) -> float:
    most = max(numbers)
    return most + math.log(math.fsum(math.exp(x - most) for x in numbers))


def _log_softmax(numbers: list[Number]) -> Value:
    total = _logsumexp(numbers)
    return tuple(x - total for x in numbers)


def _softmax(numbers: list[Number]) -> Value:
    total = _logsumexp(numbers)
    return tuple(math.exp(x - total) for x in numbers)


def _cumsum(numbers: list[Number]) -> Value:
    totals: list[Number] = []
    for number in numbers:
        totals.append(number + totals[-1] if totals else number)
    return tuple(totals)


def _cumprod(numbers: list[Number]) -> Value:
    return tuple(_prod(numbers[: i + 1]) for i in range(len(numbers)))


def _diff(numbers: list[Number]) -> Value:
    return tuple(b - a for a, b in pairwise(numbers))


def _diff_type(x: ArgumentType, axis: ArgumentType) -> Type:
    at = axis_of(x.type.sizes, axis)
    size = x.type.sizes[at]
    if size == 1:
        raise ArgumentError("an axis of one component has no differences", "P0303")
    fewer = None if size is None else size - 1
    return Type(number_type((x,)), (*x.type.sizes[:at], fewer, *x.type.sizes[at + 1 :]))


def _quantile(numbers: list[Number], q: Number) -> Number:
    """Linear between the order statistics, the `linear` method of NumPy."""
    ordered = sorted(numbers)
    place = q * (len(ordered) - 1)
    below, above = ordered[math.floor(place)], ordered[math.ceil(place)]
    return below + (place - math.floor(place)) * (above - below)


def _quantile_type(x: ArgumentType, q: ArgumentType, axis: ArgumentType | None = None) -> Type:
    if q.type.sizes:
        raise ArgumentError(f"`q` is a single number, and this is {q.type}", "P0302")
    if isinstance(q.value, int | float) and not 0 <= q.value <= 1:
        raise ArgumentError(f"`q` is from 0 to 1, and this is {q.value}")
    return reduced_along(x, axis, "Real")


def _quantile_value(x: Value, q: Value, axis: int | None = None) -> Value:
    assert isinstance(q, int | float)
    return reduced(lambda numbers: _quantile(numbers, q))(x, axis)


_X = FunctionParameter("x")
_COUNTABLE, _CONDITIONS = FunctionParameter("x", "countable"), FunctionParameter("x", "conditions")
_XY = (_X, FunctionParameter("y", default=None), AXIS)


REDUCTIONS = (
    Function(
        "sum",
        (_COUNTABLE, AXIS),
        _reduced_type(),
        "sum of all components, or along an axis; of conditions, how many hold",
        "sum(m^2 for m in [1, 2])",
        reduced(sum),
    ),
    Function(
        "prod",
        (_X, AXIS),
        _reduced_type(),
        "product of all components, or along an axis",
        "prod([2, 3])",
        reduced(_prod),
    ),
    Function(
        "mean",
        (_COUNTABLE, AXIS),
        _reduced_type("Real"),
        "mean of all components, or along an axis; of conditions, the share that holds",
        "mean([[1, 2], [3, 4]], axis = 0)",
        reduced(_mean),
    ),
    Function(
        "var",
        (_X, AXIS),
        _reduced_type("Real"),
        "variance, the mean square distance from the mean, of all components or along an axis",
        "var([1, 2, 4])",
        reduced(_var),
        has_atoms=True,
    ),
    Function(
        "std",
        (_X, AXIS),
        _reduced_type("Real"),
        "standard deviation, the root of `var`, of all components or along an axis",
        "std([1, 2, 4])",
        reduced(lambda numbers: math.sqrt(_var(numbers))),
        has_atoms=True,
    ),
    Function(
        "norm",
        (_X, AXIS),
        _reduced_type("Real"),
        "Euclidean norm of all components, or along an axis",
        "norm([3, 4])",
        reduced(lambda numbers: math.sqrt(sum(x * x for x in numbers))),
    ),
    Function(
        "logsumexp",
        (_X, AXIS),
        _reduced_type("Real"),
        "log(sum(exp(x))) without overflow, of all components or along an axis",
        "logsumexp([[900, 901], [0, 1]], axis = 1)",
        reduced(_logsumexp),
    ),
    Function(
        "min",
        _XY,
        _extreme_type,
        "smallest component, or along an axis, or of two",
        "min([2, 1])",
        _extreme(min),
        has_atoms=True,
    ),
    Function(
        "max",
        _XY,
        _extreme_type,
        "largest component, or along an axis, or of two",
        "max([0, 2], 1)",
        _extreme(max),
        has_atoms=True,
    ),
    Function(
        "all",
        (_CONDITIONS, AXIS),
        _reduced_type("Bool"),
        "whether all conditions hold, or all along an axis",
        "all([1, 2] > 0)",
        reduced(all),
        has_atoms=True,
    ),
    Function(
        "any",
        (_CONDITIONS, AXIS),
        _reduced_type("Bool"),
        "whether one condition holds, or one along an axis",
        "any([1, 2] > 1)",
        reduced(any),
        has_atoms=True,
    ),
    Function(
        "softmax",
        (_X, FunctionParameter("axis", "whole number", default=-1)),
        _kept_type("Real"),
        "exp(x) divided by its sum along an axis, without overflow",
        "softmax([0, 1, 900])",
        kept(_softmax),
        has_atoms=True,
    ),
    Function(
        "log_softmax",
        (_X, FunctionParameter("axis", "whole number", default=-1)),
        _kept_type("Real"),
        "logarithm of `softmax`, without underflow",
        "log_softmax([0, 1, 900])",
        kept(_log_softmax),
        has_atoms=True,
    ),
    Function(
        "cumsum",
        (_X, FunctionParameter("axis", "whole number", default=0)),
        _kept_type(),
        "sums up to and including each component, along an axis",
        "cumsum([1, 2, 3])",
        kept(_cumsum),
    ),
    Function(
        "cumprod",
        (_X, FunctionParameter("axis", "whole number", default=0)),
        _kept_type(),
        "products up to and including each component, along an axis",
        "cumprod([1, 2, 3])",
        kept(_cumprod),
    ),
    Function(
        "diff",
        (_X, FunctionParameter("axis", "whole number", default=-1)),
        _diff_type,
        "each component less the one before it, along an axis, which has one component fewer",
        "diff([1, 4, 9])",
        kept(_diff),
    ),
    Function(
        "median",
        (_X, AXIS),
        _reduced_type("Real"),
        "median of all components, or along an axis: of an even number the mean of the middle two",
        "median([3, 1, 2])",
        reduced(lambda numbers: _quantile(numbers, 0.5)),
    ),
    Function(
        "quantile",
        (_X, FunctionParameter("q"), AXIS),
        _quantile_type,
        "quantile of order q, from 0 to 1, of all components or along an axis, linear between them",
        "quantile([3, 1, 2], 0.25)",
        _quantile_value,
    ),
    Function(
        "sort",
        (_X, FunctionParameter("axis", "whole number", default=-1)),
        _kept_type(),
        "the components in ascending order along an axis",
        "sort([3, 1, 2])",
        kept(lambda numbers: tuple(sorted(numbers))),
    ),
)
