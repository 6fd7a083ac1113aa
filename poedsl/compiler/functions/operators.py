"""The operators of the language on constants."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable

from poedsl.compiler.functions.constants import Number, elementwise
from poedsl.compiler.functions.matrices import matrix_product
from poedsl.compiler.plan.terms import Value

#: Operators whose result is a condition.
CONDITION_OPERATORS = frozenset({"<", "<=", ">", ">=", "==", "!=", "and", "or", "not"})


def operate(op: str, *values: Value) -> Value:
    """An operator on constants; raises ValueError (also for overflow) with what is wrong."""
    try:
        return matrix_product(*values) if op == "@" else elementwise(OPERATORS[op], *values)
    except OverflowError as error:
        raise ValueError("the result is too large") from error


def _power(a: Number, b: Number) -> float | int:
    if a == 0 and b < 0:
        raise ValueError("division by zero")
    if abs(a) > 1 and b * math.log2(abs(a)) > 1024:
        raise OverflowError
    result = a**b
    if isinstance(result, complex):
        raise ValueError(f"{a} to the power {b} is not a real number")
    return result


def _divide(a: Number, b: Number) -> float:
    if b == 0:
        raise ValueError("division by zero")
    return a / b


OPERATORS: dict[str, Callable[..., Value]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divide,
    "@": matrix_product,
    "^": _power,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "and": lambda a, b: a and b,
    "or": lambda a, b: a or b,
    "neg": operator.neg,
    "not": operator.not_,
}
