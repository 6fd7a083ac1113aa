"""The functions of the language: what they take and give, and their values at constants.

Functions of pictures and regions have no values here: what they are applied to is known only when
the program runs.
"""

from __future__ import annotations

import math
import operator
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass

from poedsl.catalog.signatures import REQUIRED, Required
from poedsl.compiler.functions import types as types
from poedsl.compiler.functions.types import KINDS, Kind, Rule
from poedsl.compiler.plan.terms import Value
from poedsl.grammar.types import Sizes

Number = float | int | bool


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter.

    Attributes:
        takes: what it takes, a name of `KINDS`.
        default: what it is when left out; None where the call then means something else.
    """

    name: str
    takes: str = "numbers"
    default: Required | int | None = REQUIRED

    @property
    def required(self) -> bool:
        return isinstance(self.default, Required)

    @property
    def kind(self) -> Kind:
        return KINDS[self.takes]

    def __str__(self) -> str:
        if self.default is None:
            return f"[{self.name}]"
        return self.name if self.required else f"{self.name} = {self.default}"


@dataclass(frozen=True, slots=True)
class Function:
    """A function of numbers, conditions, pictures, regions or text.

    Attributes:
        rule: from arguments to the type of the result; raises `function_types.Unfit`.
        example: an expression, over ``mask``, ``depth``, ``image``, ``video`` and ``prompt``.
        evaluate: the value at constants; None where the call stays as it is.
    """

    name: str
    parameters: tuple[Parameter, ...]
    rule: Rule
    summary: str
    example: str
    evaluate: Callable[..., Value] | None = None

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(str, self.parameters))})"


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


def _map(f: Callable[..., Value]) -> Callable[..., Value]:
    return lambda *values: elementwise(f, *values)


def _fold(f: Callable[[list[Number]], Value]) -> Callable[[Value], Value]:
    return lambda value: f(flatten(value))


def _extreme(pick: Callable[..., Number]) -> Callable[..., Value]:
    def evaluate(*values: Value) -> Value:
        return pick(flatten(values[0])) if len(values) == 1 else elementwise(pick, *values)

    return evaluate


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


def _dot(x: Value, y: Value) -> Value:
    return sum(a * b for a, b in zip(flatten(x), flatten(y), strict=True))


def _sigmoid(x: float) -> float:
    small = math.exp(-abs(x))
    return (1 if x >= 0 else small) / (1 + small)


def _softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def _linspace(start: Value, stop: Value, count: Value) -> Value:
    a, b, n = flatten((start, stop, count))
    return tuple(a + (b - a) * i / (n - 1) if n > 1 else float(a) for i in range(int(n)))


def _concat(x: Value, y: Value) -> Value:
    assert isinstance(x, tuple) and isinstance(y, tuple)
    return x + y


def _parameters(*names: str, takes: str = "numbers") -> tuple[Parameter, ...]:
    return tuple(Parameter(name, takes) for name in names)


_X = _parameters("x")
_XY = (Parameter("x"), Parameter("y"))
_X_OR_XY = (Parameter("x"), Parameter("y", default=None))
_CONDITIONS = _parameters("x", takes="conditions")
_PICTURE = Parameter("x", "picture")

_KEPT, _REAL, _WHOLE = types.elementwise(), types.elementwise("Real"), types.elementwise("Int")

_ELEMENTWISE = (
    Function("abs", _X, _KEPT, "absolute value", "abs([-1, 2])", _map(abs)),
    Function(
        "sign", _X, _WHOLE, "-1, 0 or 1", "sign([-2.5, 0])", _map(lambda x: (x > 0) - (x < 0))
    ),
    Function("floor", _X, _WHOLE, "the whole number at or below", "floor(-0.5)", _map(math.floor)),
    Function(
        "round", _X, _WHOLE, "the nearest whole number, halves to even", "round(2.5)", _map(round)
    ),
    Function(
        "clamp",
        _parameters("x", "low", "high"),
        types.clamp,
        "x, held between low and high",
        "clamp([-1, 0.5, 3], low = 0, high = 1)",
        _map(lambda x, low, high: min(max(x, low), high)),
    ),
    Function("sqrt", _X, _REAL, "square root", "sqrt(2)", _map(math.sqrt)),
    Function("exp", _X, _REAL, "exponential", "exp(-1)", _map(math.exp)),
    Function("log", _X, _REAL, "natural logarithm", "log(10)", _map(math.log)),
    Function("sin", _X, _REAL, "sine", "sin(0.5)", _map(math.sin)),
    Function("cos", _X, _REAL, "cosine", "cos(0.5)", _map(math.cos)),
    Function("tan", _X, _REAL, "tangent", "tan(0.5)", _map(math.tan)),
    Function("tanh", _X, _REAL, "hyperbolic tangent", "tanh([-1, 0.5])", _map(math.tanh)),
    Function("sigmoid", _X, _REAL, "1 / (1 + exp(-x))", "sigmoid([-2, 0, 90])", _map(_sigmoid)),
    Function("softplus", _X, _REAL, "log(1 + exp(x))", "softplus([-2, 0, 90])", _map(_softplus)),
)

_REDUCTIONS = (
    Function(
        "sum",
        (Parameter("x", "countable"),),
        types.reduced(),
        "sum of all components; of conditions, how many hold",
        "sum(m^2 for m in [1, 2])",
        _fold(sum),
    ),
    Function(
        "prod", _X, types.reduced(), "product of all components", "prod([2, 3])", _fold(_prod)
    ),
    Function(
        "mean",
        (Parameter("x", "countable"),),
        types.reduced("Real"),
        "mean of all components; of conditions, the share that holds",
        "mean([1, 2])",
        _fold(_mean),
    ),
    Function(
        "var",
        _X,
        types.reduced("Real"),
        "variance of all components: the mean square distance from their mean",
        "var([1, 2, 4])",
        _fold(_var),
    ),
    Function(
        "std",
        _X,
        types.reduced("Real"),
        "standard deviation of all components, the root of `var`",
        "std([1, 2, 4])",
        _fold(lambda numbers: math.sqrt(_var(numbers))),
    ),
    Function(
        "norm",
        _X,
        types.reduced("Real"),
        "Euclidean norm of all components",
        "norm([3, 4])",
        _fold(lambda numbers: math.sqrt(sum(x * x for x in numbers))),
    ),
    Function(
        "min",
        _X_OR_XY,
        types.extreme,
        "smallest component, or of two",
        "min([2, 1])",
        _extreme(min),
    ),
    Function(
        "max",
        _X_OR_XY,
        types.extreme,
        "largest component, or of two",
        "max([0, 2], 1)",
        _extreme(max),
    ),
    Function(
        "all",
        _CONDITIONS,
        types.condition,
        "whether all conditions hold",
        "all([1, 2] > 0)",
        _fold(all),
    ),
    Function(
        "any",
        _CONDITIONS,
        types.condition,
        "whether one condition holds",
        "any([1, 2] > 1)",
        _fold(any),
    ),
)

_VECTORS = (
    Function(
        "linspace",
        _parameters("start", "stop", "count"),
        types.linspace,
        "evenly spaced numbers, both ends among them",
        "linspace(-1, 1, count = 5)",
        _linspace,
    ),
    Function(
        "range",
        (Parameter("start"), Parameter("stop", default=None), Parameter("step", default=1)),
        types.whole_range,
        "whole numbers from start to before stop; from 0 where one number is given",
        "range(0, 10, step = 2)",
        lambda *ends: tuple(range(*types.numbers_of_range(*ends))),
    ),
    Function("dot", _XY, types.dot, "inner product of two vectors", "dot([1, 2], [3, 4])", _dot),
    Function(
        "concat",
        _XY,
        types.concat,
        "one after the other, along the first size",
        "concat([1, 2], [3])",
        _concat,
    ),
    Function(
        "length",
        (Parameter("x", "sequence"),),
        types.length,
        "the first size of a tensor, or how many characters a text, or that of tokens, has",
        'length("a horse")',
        lambda x: len(x),
    ),
)

_PICTURES = (
    Function(
        "box",
        _parameters("left", "top", "right", "bottom"),
        types.box,
        "a region of a picture, in fractions of width and height",
        "box(0, 0, 0.5, 1)",
    ),
    Function(
        "frames",
        _parameters("start", "stop", takes="whole number"),
        types.frames,
        "a region of a video, from a frame to before another",
        "frames(0, 16)",
    ),
    Function(
        "crop",
        (_PICTURE, Parameter("region", "region")),
        types.crop,
        "what lies in a region: `crop(x, r)` is `x[r]`",
        "crop(depth, box(0, 0, 0.5, 1))",
    ),
    Function(
        "blur",
        (_PICTURE, Parameter("radius", "number")),
        types.blur,
        "Gaussian blur with a standard deviation in pixels; the edges go on outside",
        "blur(mask, radius = 8)",
    ),
    Function(
        "resize",
        (_PICTURE, *_parameters("height", "width", takes="whole number")),
        types.resize,
        "the same at another size: bilinear, smoothed where it shrinks",
        "resize(image, height = 64, width = 96)",
    ),
    Function(
        "grey",
        (_PICTURE,),
        types.grey,
        "one channel, the luma of ITU-R 601: 0.299 red + 0.587 green + 0.114 blue",
        "grey(image)",
    ),
)

_TEXT = (
    Function(
        "contains",
        (Parameter("text", "words"), Parameter("part", "text")),
        types.condition,
        "whether a text stands in another",
        'contains(prompt, "horse")',
        lambda text, part: part in text,
    ),
    Function(
        "matches",
        (Parameter("text", "words"), Parameter("pattern", "text")),
        types.pattern,
        "whether a regular expression is found anywhere in a text",
        'matches(prompt, "^an? [a-z]+")',
        lambda text, pattern: re.search(pattern, text) is not None,
    ),
)

FUNCTIONS: dict[str, Function] = {
    f.name: f for f in (*_ELEMENTWISE, *_REDUCTIONS, *_VECTORS, *_PICTURES, *_TEXT)
}

#: Operators whose result is a condition.
BOOLEAN = frozenset({"<", "<=", ">", ">=", "==", "!=", "and", "or", "not"})
