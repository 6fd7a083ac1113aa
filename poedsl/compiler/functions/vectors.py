"""Functions that make or combine vectors."""

from __future__ import annotations

from poedsl.compiler.functions.constants import flatten
from poedsl.compiler.functions.function import (
    ArgumentError,
    ArgumentType,
    Function,
    FunctionParameter,
    parameters,
)
from poedsl.compiler.functions.result_types import (
    limited,
    number_type,
    single_numbers,
)
from poedsl.compiler.plan.terms import Const, Value
from poedsl.grammar.types import INT, NONE, Sizes, Type


def _linspace_type(start: ArgumentType, stop: ArgumentType, count: ArgumentType) -> Type:
    if single_numbers(start, stop) is None:
        raise ArgumentError("its ends are single numbers known when the program is compiled")
    if count.value is None:
        return Type("Real", (None,))
    if not isinstance(count.value, int) or count.value < 1:
        raise ArgumentError("its last argument is a whole number of at least 1")
    return Type("Real", (limited(count.value),))


def _range_type(start: ArgumentType, stop: ArgumentType, step: ArgumentType) -> Type:
    ends = (start, step) if stop.type == NONE else (start, stop, step)
    if step.value == 0:
        raise ArgumentError("its step is not zero")
    if any(e.value is None for e in ends):
        return Type("Int", (None,))
    first, last, by = _range_ends(start.value, stop.value, step.value)
    count = max(0, -((first - last) // by))
    if not count:
        raise ArgumentError(f"there is no number from {first} to before {last}")
    return Type("Int", (limited(count),))


def _range_ends(start: Value, stop: Value = None, step: Value = 1) -> tuple[int, int, int]:
    """As Python's: one number alone is where it stops."""
    assert isinstance(start, int) and isinstance(step, int)
    if stop is None:
        return 0, start, step
    assert isinstance(stop, int)
    return start, stop, step


def _dot_type(x: ArgumentType, y: ArgumentType) -> Type:
    if len(x.type.sizes) != 1 or len(y.type.sizes) != 1 or not _agree(x.type.sizes, y.type.sizes):
        raise ArgumentError(
            f"its arguments are two vectors of one length, and these are {x.type} and {y.type}",
            "P0303",
        )
    return Type(number_type((x, y)))


def _concat_type(x: ArgumentType, y: ArgumentType) -> Type:
    a, b = x.type.sizes, y.type.sizes
    if not a or not b or len(a) != len(b) or not _agree(a[1:], b[1:]):
        raise ArgumentError(
            f"its arguments differ in their first size at most, and these are {x.type} "
            f"and {y.type}",
            "P0303",
        )
    name = x.type.name if x.type.name == y.type.name else "Real"
    first = None if a[0] is None or b[0] is None else a[0] + b[0]
    return Type(name, (first, *(q if p is None else p for p, q in zip(a[1:], b[1:], strict=True))))


def _agree(a: Sizes, b: Sizes) -> bool:
    return all(p is None or q is None or p == q for p, q in zip(a, b, strict=True))


def _length_type(x: ArgumentType) -> Type | Const:
    if x.type.name == "Tokens":
        return INT
    return Const(x.type.sizes[0]) if x.type.sizes and x.type.sizes[0] is not None else INT


def _linspace(start: Value, stop: Value, count: Value) -> Value:
    a, b, n = flatten((start, stop, count))
    return tuple(a + (b - a) * i / (n - 1) if n > 1 else float(a) for i in range(int(n)))


def _dot(x: Value, y: Value) -> Value:
    return sum(a * b for a, b in zip(flatten(x), flatten(y), strict=True))


def _concat(x: Value, y: Value) -> Value:
    assert isinstance(x, tuple) and isinstance(y, tuple)
    return x + y


_XY = (FunctionParameter("x"), FunctionParameter("y"))


VECTORS = (
    Function(
        "linspace",
        (*parameters("start", "stop"), FunctionParameter("count", "count")),
        _linspace_type,
        "evenly spaced numbers, both ends among them",
        "linspace(-1, 1, count = 5)",
        _linspace,
    ),
    Function(
        "range",
        (
            FunctionParameter("start", "count"),
            FunctionParameter("stop", "count", default=None),
            FunctionParameter("step", "count", default=1),
        ),
        _range_type,
        "whole numbers from start to before stop; from 0 where one number is given",
        "range(0, 10, step = 2)",
        lambda *ends: tuple(range(*_range_ends(*ends))),
    ),
    Function("dot", _XY, _dot_type, "inner product of two vectors", "dot([1, 2], [3, 4])", _dot),
    Function(
        "concat",
        _XY,
        _concat_type,
        "one after the other, along the first size",
        "concat([1, 2], [3])",
        _concat,
    ),
    Function(
        "length",
        (FunctionParameter("x", "sequence"),),
        _length_type,
        "the first size of a tensor, or how many characters a text, or that of tokens, has",
        'length("a horse")',
        lambda x: len(x),
        has_atoms=True,
    ),
)
