"""Further elementwise functions: inverse, hyperbolic and special functions, and logarithms."""

from __future__ import annotations

import math
from collections.abc import Callable

from poedsl.compiler.functions import constants
from poedsl.compiler.functions.constants import Number
from poedsl.compiler.functions.function import Function, parameters
from poedsl.compiler.functions.result_types import elementwise_type
from poedsl.compiler.plan.terms import Value

_X = parameters("x")
_SAME, _REAL, _WHOLE = elementwise_type(), elementwise_type("Real"), elementwise_type("Int")


def log_sigmoid(x: float) -> float:
    return min(x, 0.0) - math.log1p(math.exp(-abs(x)))


def logit(x: float) -> float:
    return math.log(x) - math.log1p(-x)


def normal_cdf(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2))


def log_normal_cdf(x: float) -> float:
    """By its asymptotic series (Abramowitz and Stegun, 26.2.12) where the value underflows."""
    if x > -20:
        return math.log(normal_cdf(x))
    total = term = 1.0
    for k in range(1, 12):
        term *= -(2 * k - 1) / (x * x)
        total += term
    return -0.5 * x * x - math.log(-x) - 0.5 * math.log(2 * math.pi) + math.log(total)


def normal_icdf(p: float) -> float:
    """In the tails by Newton's method on the logarithm of the distribution function, which is
    concave, from a point below the root.
    """
    if not 0 < p < 1:
        raise ValueError
    if abs(p - 0.5) <= 0.25:
        return math.sqrt(2) * erfinv(2 * p - 1)
    if p > 0.5:
        return -normal_icdf(1 - p)
    x = -math.sqrt(-2 * math.log(p))
    for _ in range(8):
        below = log_normal_cdf(x)
        x += (math.log(p) - below) * math.exp(below + 0.5 * x * x) * math.sqrt(2 * math.pi)
    return x


def erfinv(x: float) -> float:
    """Near zero by Newton's method, from a point between zero and the root."""
    if abs(x) > 0.5:
        return math.copysign(normal_icdf((1 - abs(x)) / 2) / math.sqrt(2), x)
    slope = math.sqrt(math.pi) / 2
    y = slope * x
    for _ in range(6):
        y += (x - math.erf(y)) * slope * math.exp(y * y)
    return y


def _mod(x: Number, y: Number) -> Number:
    if y == 0:
        raise ValueError
    return x % y


def lbeta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def lchoose(n: float, k: float) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def logaddexp(x: float, y: float) -> float:
    return max(x, y) + math.log1p(math.exp(-abs(x - y)))


def digamma(x: float) -> float:
    """By recurrence to large arguments, and there by Stirling's series."""
    if x <= 0:
        if x == math.floor(x):
            raise ValueError
        return digamma(1 - x) - math.pi / math.tan(math.pi * x)
    shift = 0.0
    while x < 10:
        shift -= 1 / x
        x += 1
    y = 1 / (x * x)
    series = y * (1 / 12 - y * (1 / 120 - y * (1 / 252 - y * (1 / 240 - y * (1 / 132)))))
    return shift + math.log(x) - 0.5 / x - series


def _pair(
    name: str,
    first: str,
    second: str,
    summary: str,
    example: str,
    value: Callable[[float, float], float],
) -> Function:
    """A function of two arguments, whose result is a real."""

    def fold(x: Value, y: Value) -> Value:
        return constants.elementwise(value, x, y)

    return Function(name, parameters(first, second), _REAL, summary, example, fold)


def _row(
    name: str, summary: str, example: str, value: Callable[[float], float], whole: bool = False
) -> Function:
    """A function of one argument."""
    return Function(
        name,
        _X,
        _WHOLE if whole else _REAL,
        summary,
        f"{name}({example})",
        lambda x: constants.elementwise(value, x),
        has_atoms=whole,
    )


def _square(x: Value) -> Value:
    return constants.elementwise(lambda v: v * v, x)


def _arctan2(y: Value, x: Value) -> Value:
    return constants.elementwise(math.atan2, y, x)


SPECIAL = (
    _row("ceil", "the whole number at or above", "-0.5", math.ceil, whole=True),
    Function(
        "mod",
        parameters("x", "y"),
        _SAME,
        "x - y * floor(x / y), the remainder, with the sign of y",
        "mod([-1, 5], 3)",
        lambda x, y: constants.elementwise(_mod, x, y),
    ),
    Function("square", _X, _SAME, "x^2", "square([-1, 2])", _square),
    _row("expm1", "exp(x) - 1, exact for small x", "1e-9", math.expm1),
    _row("log1p", "log(1 + x), exact for small x", "1e-9", math.log1p),
    _row("log2", "logarithm to base 2", "8", math.log2),
    _row("log10", "logarithm to base 10", "100", math.log10),
    _row("logit", "log(x / (1 - x)), the inverse of `sigmoid`", "0.9", logit),
    _row("log_sigmoid", "log(sigmoid(x)), without underflow", "[-900, 2]", log_sigmoid),
    _row("sinh", "hyperbolic sine", "0.5", math.sinh),
    _row("cosh", "hyperbolic cosine", "0.5", math.cosh),
    _row("arcsin", "inverse of `sin`, in [-pi / 2, pi / 2]", "0.5", math.asin),
    _row("arccos", "inverse of `cos`, in [0, pi]", "0.5", math.acos),
    _row("arctan", "inverse of `tan`, in [-pi / 2, pi / 2]", "0.5", math.atan),
    Function(
        "arctan2",
        parameters("y", "x"),
        _REAL,
        "angle of the point (x, y), in [-pi, pi]",
        "arctan2(1, -1)",
        _arctan2,
    ),
    _row("erf", "error function", "0.5", math.erf),
    _row("erfc", "1 - erf(x), without cancellation", "3", math.erfc),
    _row("erfinv", "inverse of `erf`, of x in (-1, 1)", "0.5", erfinv),
    _row("normal_cdf", "distribution function of the standard normal", "1.96", normal_cdf),
    _row("log_normal_cdf", "log(normal_cdf(x)), without underflow", "[-40, 0]", log_normal_cdf),
    _row("normal_icdf", "inverse of `normal_cdf`, of x in (0, 1)", "0.975", normal_icdf),
    _row("lgamma", "log of the absolute value of the gamma function", "[0.5, 4]", math.lgamma),
    _row("digamma", "derivative of `lgamma`", "[0.5, 4]", digamma),
    _row("arcsinh", "inverse of `sinh`", "0.5", math.asinh),
    _row("arccosh", "inverse of `cosh`, at least 0", "1.5", math.acosh),
    _row("arctanh", "inverse of `tanh`", "0.5", math.atanh),
    _pair("lbeta", "a", "b", "logarithm of the beta function", "lbeta(0.5, [1, 2])", lbeta),
    _pair(
        "lchoose",
        "n",
        "k",
        "logarithm of the number of ways to choose k of n",
        "lchoose(5, [0, 2])",
        lchoose,
    ),
    _pair("logaddexp", "x", "y", "log(exp(x) + exp(y))", "logaddexp(900, [899, 0])", logaddexp),
)
