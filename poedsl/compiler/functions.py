"""The functions of the language: types of their results, and values at constants."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass

from poedsl.compiler.terms import Value
from poedsl.grammar.types import REAL, Sizes, Type, broadcast

#: The most numbers of one constant.
MOST = 1_000_000

Number = float | int | bool
Typing = Callable[[tuple[Type, ...], tuple[Value | None, ...]], Type | str]


@dataclass(frozen=True, slots=True)
class Function:
    """A function of numbers.

    Attributes:
        parameters: their names, in order; those from ``optional`` on may be left out.
        typing: from argument types and constant values (None where not constant) to the result's
            type, or to a sentence that says what is wrong.
        evaluate: the value at constants.
    """

    name: str
    parameters: tuple[str, ...]
    typing: Typing
    evaluate: Callable[..., Value]
    summary: str
    optional: int = 99

    def __str__(self) -> str:
        shown = [p if i < self.optional else f"[{p}]" for i, p in enumerate(self.parameters)]
        return f"{self.name}({', '.join(shown)})"


def shape(value: Value) -> Sizes:
    """The shape of a constant: () for a scalar; raises ValueError where rows differ in length."""
    if not isinstance(value, tuple):
        return ()
    if not value:
        return (0,)
    shapes = {shape(v) for v in value}
    if len(shapes) > 1:
        raise ValueError("its rows differ in length")
    return (len(value), *shapes.pop())


def elementwise(f: Callable[..., Value], *values: Value) -> Value:
    """Apply ``f`` to scalars, broadcasting as NumPy does."""
    rank = max(len(shape(v)) for v in values)
    if rank == 0:
        return f(*values)
    full = [_raise(v, rank) for v in values]
    length = max(len(v) for v in full)
    rows = [v if len(v) == length else v * length for v in full]
    return tuple(elementwise(f, *row) for row in zip(*rows, strict=True))


def _raise(value: Value, rank: int) -> tuple[Value, ...]:
    for _ in range(rank - len(shape(value))):
        value = (value,)
    assert isinstance(value, tuple)
    return value


def flatten(value: Value) -> list[Number]:
    if isinstance(value, tuple):
        return [x for v in value for x in flatten(v)]
    assert isinstance(value, (bool, int, float))
    return [value]


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


def operate(op: str, *values: Value) -> Value:
    """An operator on constants; raises ValueError (also for overflow) with what is wrong."""
    try:
        return elementwise(OPERATORS[op], *values)
    except OverflowError as error:
        raise ValueError("the result is too large") from error


def _same(types: tuple[Type, ...], _: tuple[Value | None, ...]) -> Type | str:
    return Type("Real", types[0].sizes)


def _scalar(_: tuple[Type, ...], __: tuple[Value | None, ...]) -> Type | str:
    return REAL


def _both(types: tuple[Type, ...], _: tuple[Value | None, ...]) -> Type | str:
    sizes: Sizes = ()
    for t in types:
        wider = broadcast(sizes, t.sizes)
        if wider is None:
            return f"its arguments have shapes that do not fit: {' and '.join(map(str, types))}"
        sizes = wider
    return Type("Real", sizes)


def _extreme(types: tuple[Type, ...], values: tuple[Value | None, ...]) -> Type | str:
    return REAL if len(types) == 1 else _both(types, values)


def _known(types: tuple[Type, ...], values: tuple[Value | None, ...]) -> bool:
    """Whether all arguments are single numbers known when the program is compiled."""
    return all(v is not None for v in values) and not any(t.sizes for t in types)


def _vector(types: tuple[Type, ...], values: tuple[Value | None, ...]) -> Type | str:
    if not _known(types, values):
        return "its arguments are single numbers known when the program is compiled"
    count = values[-1]
    if not isinstance(count, int) or count < 1:
        return "its last argument is a whole number of at least 1"
    if count > MOST:
        return _too_many(count)
    return Type("Real", (count,))


def _range(types: tuple[Type, ...], values: tuple[Value | None, ...]) -> Type | str:
    if not _known(types, values) or not all(isinstance(v, int) for v in values):
        return "its arguments are whole numbers known when the program is compiled"
    ends = [int(v) for v in flatten(values)]
    if len(ends) == 3 and ends[2] == 0:
        return "its step is not zero"
    start, stop, step = (0, ends[0], 1) if len(ends) == 1 else (*ends, 1)[:3]
    count = max(0, -((start - stop) // step))
    if not count:
        return f"there is no number from {start} to before {stop}"
    return _too_many(count) if count > MOST else Type("Int", (count,))


def _too_many(count: int) -> str:
    return f"{count:,} numbers are too many: a constant has at most {MOST:,}"


def _whole(*values: Value) -> tuple[int, ...]:
    return tuple(range(*(int(v) for v in flatten(values))))


def _linspace(start: Value, stop: Value, count: Value) -> Value:
    a, b, n = flatten((start, stop, count))
    return tuple(a + (b - a) * i / (n - 1) if n > 1 else float(a) for i in range(int(n)))


def _box(types: tuple[Type, ...], values: tuple[Value | None, ...]) -> Type | str:
    if not _known(types, values):
        return "its sides are single numbers known when the program is compiled"
    left, top, right, bottom = flatten(values)
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        return (
            "its sides are left, top, right and bottom in fractions of width and height: "
            "0 <= left < right <= 1 and 0 <= top < bottom <= 1"
        )
    return Type("Region")


def _map(f: Callable[[float], float]) -> Callable[[Value], Value]:
    return lambda value: elementwise(f, value)


def _mean(value: Value) -> Value:
    numbers = flatten(value)
    return sum(numbers) / len(numbers)


def _norm(value: Value) -> Value:
    return math.sqrt(sum(x * x for x in flatten(value)))


def _reduce(pick: Callable[..., Number]) -> Callable[..., Value]:
    def evaluate(*values: Value) -> Value:
        return pick(flatten(values[0])) if len(values) == 1 else elementwise(pick, *values)

    return evaluate


FUNCTIONS: dict[str, Function] = {
    f.name: f
    for f in (
        Function(
            "linspace", ("start", "stop", "count"), _vector, _linspace, "evenly spaced numbers"
        ),
        Function(
            "range",
            ("start", "stop", "step"),
            _range,
            _whole,
            "whole numbers from start to before stop",
            1,
        ),
        Function("sum", ("x",), _scalar, lambda v: sum(flatten(v)), "sum of all components"),
        Function("mean", ("x",), _scalar, _mean, "mean of all components"),
        Function("norm", ("x",), _scalar, _norm, "Euclidean norm of all components"),
        Function("min", ("x", "y"), _extreme, _reduce(min), "smallest component, or of two", 1),
        Function("max", ("x", "y"), _extreme, _reduce(max), "largest component, or of two", 1),
        Function("abs", ("x",), _same, lambda v: elementwise(abs, v), "absolute value"),
        Function("sqrt", ("x",), _same, _map(math.sqrt), "square root"),
        Function("exp", ("x",), _same, _map(math.exp), "exponential"),
        Function("log", ("x",), _same, _map(math.log), "natural logarithm"),
        Function("sin", ("x",), _same, _map(math.sin), "sine"),
        Function("cos", ("x",), _same, _map(math.cos), "cosine"),
        Function(
            "box",
            ("left", "top", "right", "bottom"),
            _box,
            lambda *v: v,
            "a region, in fractions of width and height",
        ),
    )
}

#: Reductions over conditions and numbers return one number per particle.
REDUCTIONS = frozenset({"sum", "mean", "norm", "min", "max"})
BOOLEAN = frozenset({"<", "<=", ">", ">=", "==", "!=", "and", "or", "not"})
