"""Products that do not fall off: their logarithm along each axis, far out, from constants alone.

A density falls off faster than 1 / |x| along almost every line; where the logarithm of a product
falls more slowly than -log |x|, the product cannot be integrated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from poedsl.compiler.functions import FUNCTIONS, elementwise, flatten, operate
from poedsl.compiler.lower import Lowered
from poedsl.compiler.plan import FactorSpec, VariableSpec
from poedsl.compiler.terms import BINARY, CHAINS, UNARY, Apply, Const, Ref, Term, Value
from poedsl.grammar.diagnostics import Diagnostic

#: Above this many components the tails are left to the run.
MOST = 8
#: Where the slope is taken, and what it may be above -1 by rounding.
NEAR, FAR, ROUNDING = 1e5, 1e7, 1e-3


class _Unknown(Exception):
    """What only a run can say."""


def tails(lowered: Lowered) -> list[Diagnostic]:
    """Warnings of products that do not fall off."""
    of = lowered.by_variable()
    return [
        Diagnostic(
            "P0809",
            f"the product over `{v.name}` does not fall off far out: it cannot be integrated",
            lowered.spans[of[v.name][-1].name],
            "warning",
            notes=("nothing binds it there: a narrower density, or a condition, would",),
        )
        for v in lowered.complete
        if of[v.name] and _escapes(v, of[v.name])
    ]


def _escapes(variable: VariableSpec, factors: list[FactorSpec]) -> bool:
    """Whether the product falls off too slowly along some axis."""
    sizes = variable.type.sizes
    known = {"gaussian", "density", "reward"}
    if variable.type.name != "Real" or len(sizes) > 1 or (variable.type.count or MOST + 1) > MOST:
        return False
    if any(f.kind not in known or f.part or f.loops or len(f.variables) > 1 for f in factors):
        return False
    count = variable.type.count or 1

    def logarithm(axis: int, distance: float) -> float:
        point = [0.3 + 0.1 * i for i in range(count)]
        point[axis] = distance
        at = {variable.name: tuple(point) if sizes else point[0]}
        return math.fsum(_exponent(f) * _log_factor(f, at) for f in factors)

    try:
        slopes = [
            (logarithm(i, side * FAR) - logarithm(i, side * NEAR)) / math.log(FAR / NEAR)
            for i in range(count)
            for side in (-1, 1)
        ]
    except (_Unknown, ArithmeticError, ValueError, TypeError, AssertionError):
        return False
    return any(slope > -1 - ROUNDING for slope in slopes)


def _exponent(factor: FactorSpec) -> float:
    value = factor.exponent.value if isinstance(factor.exponent, Const) else None
    if factor.mask or not isinstance(value, (int, float)):
        raise _Unknown
    return value


def _log_factor(factor: FactorSpec, at: Mapping[str, Value]) -> float:
    if factor.kind == "reward":
        (total,) = flatten(_value(factor.term, at))
        return total
    return _log_density(factor.term, next(iter(at.values())), at)


#: Log densities of one component up to what does not depend on it, by location, scale and more.
_DENSITIES: dict[str, Callable[..., float]] = {
    "Normal": lambda x, loc, scale: -0.5 * ((x - loc) / scale) ** 2,
    "Laplace": lambda x, loc, scale: -abs(x - loc) / scale,
    "Cauchy": lambda x, loc, scale: -math.log1p(((x - loc) / scale) ** 2),
    "StudentT": lambda x, df, loc, scale: -(df + 1) / 2 * math.log1p(((x - loc) / scale) ** 2 / df),
}


def _log_density(term: Term, x: Value, at: Mapping[str, Value]) -> float:
    """Of a density or a mixture, up to a constant, which far out does not count."""
    if not isinstance(term, Apply):
        raise _Unknown
    if term.function == "mixture":
        parts = [_log_density(part, x, at) for part in term.args[1::2]]
        most = max(parts)
        return most + math.log(math.fsum(math.exp(part - most) for part in parts))
    if term.function not in _DENSITIES:
        raise _Unknown
    given = [_value(value, at) for _, value in term.kwargs]
    return math.fsum(flatten(elementwise(_DENSITIES[term.function], x, *given)))


def _value(term: Term, at: Mapping[str, Value]) -> Value:
    """The value of a term at a point."""
    match term:
        case Const(value):
            return value
        case Ref(name) if name in at:
            return at[name]
        case Apply("list", args):
            return tuple(_value(a, at) for a in args)
        case Apply("index", (inner, Const(int(i)))):
            row = _value(inner, at)
            if isinstance(row, tuple):
                return row[i]
        case Apply(op, (first, *rest)) if op in CHAINS:
            out = _value(first, at)
            for side in rest:
                out = operate(op, out, _value(side, at))
            return out
        case Apply(op, args) if op in BINARY or op in UNARY:
            return operate(op, *(_value(a, at) for a in args))
        case Apply(name, args) if name in FUNCTIONS and (f := FUNCTIONS[name].evaluate):
            return f(*(_value(a, at) for a in args))
    raise _Unknown
