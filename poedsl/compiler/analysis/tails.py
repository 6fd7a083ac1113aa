"""Products that cannot be integrated: their logarithm along each axis, from constants alone.

A density falls off faster than 1 / |x| along almost every line, and towards an end of its support
it rises more slowly than 1 / distance; where the logarithm of a product falls more slowly than
-log |x| far out, or rises as fast as -log distance at an end, the product cannot be integrated. Of
a scale, what it scales is integrated out first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from poedsl.catalog.signatures import Signature
from poedsl.catalog.truncated_densities import PREFIX
from poedsl.compiler.analysis.integrated_scales import Powers, integrated
from poedsl.compiler.analysis.supports import ends
from poedsl.compiler.functions.constants import elementwise, flatten
from poedsl.compiler.functions.function import ArgumentError, Deferred
from poedsl.compiler.functions.values_at import UnknownValue, value_at
from poedsl.compiler.plan.lowered import Lowered
from poedsl.compiler.plan.plan_parts import FactorSpec, VariableSpec
from poedsl.compiler.plan.terms import Apply, Const, Term, Value
from poedsl.grammar.diagnostics import Diagnostic

#: Above this many components the tails are left to the run.
MOST = 8
#: Where the slope is taken far out: the first of these places at which all factors have values.
#: Only from 1e14 on is a product of any usual scale at its tail; nearer, it may still rise.
FAR_OUT = ((1e110, 1e130), (1e60, 1e70), (1e30, 1e35), (1e14, 1e17))
NEARER = ((1e5, 1e7), (1e2, 1e3), (1.0, 10.0))
#: Distances from an end at zero; from another one, in units of it.
CLOSE, CLOSER = 1e-100, 1e-120
ULP_CLOSE, ULP_CLOSER = 2.0**-40, 2.0**-50
#: What a slope may be above -1 by rounding, and the share of a sum that is rounding.
ROUNDING, CANCELLED = 1e-9, 1e-9


def tails(lowered: Lowered, signatures: Mapping[str, Signature]) -> list[Diagnostic]:
    """Warnings of products that do not fall off, or that rise too fast at an end."""
    of = lowered.by_variable()
    return [
        Diagnostic(
            "P0809",
            message,
            lowered.spans[of[variable][-1].name],
            "warning",
            notes=("nothing binds it there: a narrower density, or a condition, would",),
        )
        for variable, message in improper(lowered, signatures).items()
    ]


def improper(lowered: Lowered, signatures: Mapping[str, Signature]) -> dict[str, str]:
    """The variables whose product cannot be integrated, and a sentence on why."""
    of = lowered.by_variable()
    escapes = ((v, _escapes(v, lowered, of, signatures)) for v in lowered.complete if of[v.name])
    return {
        v.name: f"the product over `{v.name}` {how}: it cannot be integrated"
        for v, how in escapes
        if how
    }


def _escapes(
    variable: VariableSpec,
    lowered: Lowered,
    of: Mapping[str, list[FactorSpec]],
    signatures: Mapping[str, Signature],
) -> str:
    """Why the product cannot be integrated along some axis; empty where it can, or is not known."""
    sizes = variable.type.sizes
    kinds = {"gaussian", "density", "reward"}
    if variable.type.name != "Real" or len(sizes) > 1 or (variable.type.count or MOST + 1) > MOST:
        return ""
    factors = [f for f in of[variable.name] if f.variables == (variable.name,)]
    if any(f.kind not in kinds or f.part or f.loops for f in factors):
        return ""
    try:
        powers = Powers()
        if len(factors) < len(of[variable.name]):
            if sizes or lowered.incomplete:
                return ""
            variables = {v.name: v for v in lowered.variables}
            powers = integrated(variable, variables, of, signatures)
        logarithm = _Logarithm(variable, factors, *_support(factors, signatures), powers)
        if powers != Powers() and logarithm.low < 0:
            return ""
        for axis in range(variable.type.count or 1):
            for side, end in ((-1, logarithm.low), (1, logarithm.high)):
                if math.isinf(end) and logarithm.stays_up(axis, side):
                    return "does not fall off far out"
                if math.isfinite(end) and logarithm.rises_too_fast(axis, side, end):
                    return f"rises too fast towards {end:g}"
    except UnknownValue:
        pass
    return ""


@dataclass(frozen=True, slots=True)
class _Logarithm:
    """The logarithm of a product along axes, between the ends of its support."""

    variable: VariableSpec
    factors: list[FactorSpec]
    low: float
    high: float
    powers: Powers

    def terms(self, axis: int, place: float) -> list[float]:
        """The logarithm of each factor, and of what is integrated out."""
        variable, count = self.variable, self.variable.type.count or 1
        point = [_between(self.low, self.high, 0.3 + 0.05 * i) for i in range(count)]
        point[axis] = place
        at = {variable.name: tuple(point) if variable.type.sizes else point[0]}
        power = self.powers.far_out if abs(place) > 1 else self.powers.at_zero
        integral = [power * math.log(abs(place))] if power else []
        return [*(_exponent(f) * _log_factor(f, at) for f in self.factors), *integral]

    def slope(self, axis: int, near: float, far: float, ratio: float) -> float | None:
        """Its rise from one place to another over log ratio; None where it is not known."""
        try:
            before, after = self.terms(axis, near), self.terms(axis, far)
            if math.fsum(after) == -math.inf:
                return -math.inf
            rises = [b - a for a, b in zip(before, after, strict=True)]
            rise = math.fsum(rises)
        except (ArithmeticError, ValueError, TypeError, AssertionError, ArgumentError, Deferred):
            return None
        cancelled = 0 < abs(rise) < CANCELLED * math.fsum(map(abs, rises))
        return None if cancelled or math.isnan(rise) else rise / math.log(ratio)

    def stays_up(self, axis: int, side: int) -> bool:
        """Whether it falls too slowly far out."""
        for places, limit in ((FAR_OUT, -1 - ROUNDING), (NEARER, 0.0)):
            for near, far in places:
                slope = self.slope(axis, side * near, side * far, far / near)
                if slope is not None:
                    return slope > limit
        return False

    def rises_too_fast(self, axis: int, side: int, end: float) -> bool:
        """Whether it rises too fast towards a finite end."""
        close, closer = CLOSE, CLOSER
        if end:
            close, closer = ULP_CLOSE * abs(end), ULP_CLOSER * abs(end)
        if not closer:
            return False
        slope = self.slope(axis, end - side * closer, end - side * close, close / closer)
        return slope is not None and slope < -1 + ROUNDING


def _support(factors: list[FactorSpec], signatures: Mapping[str, Signature]) -> tuple[float, float]:
    """The intersection of the supports of all densities, the same for every component."""
    lows, highs = [-math.inf], [math.inf]
    for factor in factors:
        if factor.kind != "density":
            continue
        support_ends = ends(factor.term, signatures.__getitem__)
        if support_ends.event:
            raise UnknownValue
        lows += [min(_number(t) for t in support_ends.low)] if support_ends.low else []
        highs += [max(_number(t) for t in support_ends.high)] if support_ends.high else []
    return max(lows), min(highs)


def _number(term: Term) -> float:
    if isinstance(term, Const) and isinstance(term.value, (int, float)):
        return float(term.value)
    raise UnknownValue


def _between(low: float, high: float, share: float) -> float:
    """A point inside of a support."""
    if math.isinf(low) and math.isinf(high):
        return share
    if math.isinf(high):
        return low + share
    return high - share if math.isinf(low) else low + share * (high - low)


def _exponent(factor: FactorSpec) -> float:
    value = factor.exponent.value if isinstance(factor.exponent, Const) else None
    if factor.mask or not isinstance(value, (int, float)):
        raise UnknownValue
    return value


def _log_factor(factor: FactorSpec, at: Mapping[str, Value]) -> float:
    if factor.kind == "reward":
        (total,) = flatten(value_at(factor.term, at))
        return total
    return _log_density(factor.term, next(iter(at.values())), at)


def _exp(x: float) -> float:
    """The exponential, infinite where it is too large for a number."""
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def _logistic(distance: float) -> float:
    return -distance - 2 * math.log1p(math.exp(-distance))


def _skew_normal(z: float, alpha: float) -> float:
    below = 0.5 * math.erfc(-alpha * z / math.sqrt(2))
    log_below = math.log(below) if below else -0.5 * (alpha * z) ** 2 - math.log(-alpha * z)
    return -0.5 * z**2 + log_below


#: Log densities of one component up to what does not depend on it, by the parameters in the order
#: of the signature.
LOG_DENSITIES: dict[str, Callable[..., float]] = {
    "Normal": lambda x, loc, scale: -0.5 * ((x - loc) / scale) ** 2,
    "Laplace": lambda x, loc, scale: -abs(x - loc) / scale,
    "Logistic": lambda x, loc, scale: _logistic(abs(x - loc) / scale),
    "Cauchy": lambda x, loc, scale: -math.log1p(((x - loc) / scale) ** 2),
    "StudentT": lambda x, df, loc, scale: -(df + 1) / 2 * math.log1p(((x - loc) / scale) ** 2 / df),
    "Gumbel": lambda x, loc, scale: (loc - x) / scale - _exp((loc - x) / scale),
    "LogNormal": lambda x, loc, scale: -math.log(x) - 0.5 * ((math.log(x) - loc) / scale) ** 2,
    "Exponential": lambda x, rate: -rate * x,
    "Gamma": lambda x, concentration, rate: (concentration - 1) * math.log(x) - rate * x,
    "InverseGamma": lambda x, concentration, rate: -(concentration + 1) * math.log(x) - rate / x,
    "Chi2": lambda x, df: (df / 2 - 1) * math.log(x) - x / 2,
    "HalfNormal": lambda x, scale: -0.5 * (x / scale) ** 2,
    "HalfCauchy": lambda x, scale: -math.log1p((x / scale) ** 2),
    "Weibull": lambda x, scale, shape: (shape - 1) * math.log(x) - (x / scale) ** shape,
    "Pareto": lambda x, scale, alpha: -(alpha + 1) * math.log(x),
    "Beta": lambda x, one, zero: (one - 1) * math.log(x) + (zero - 1) * math.log1p(-x),
    "Uniform": lambda x, low, high: 0.0,
    "HalfStudentT": lambda x, df, scale: -(df + 1) / 2 * math.log1p((x / scale) ** 2 / df),
    "SkewNormal": lambda x, loc, scale, alpha: _skew_normal((x - loc) / scale, alpha),
    "Flat": lambda x: 0.0,
    "VonMises": lambda x, loc, concentration: concentration * math.cos(x - loc),
}


def _log_density(term: Term, x: Value, at: Mapping[str, Value]) -> float:
    """Of a density or a mixture, up to a constant, which far out does not count."""
    if not isinstance(term, Apply):
        raise UnknownValue
    if term.function == "mixture":
        parts = [_log_density(part, x, at) for part in term.args[1::2]]
        most = max(parts)
        return most + math.log(math.fsum(math.exp(part - most) for part in parts))
    name = term.function.removeprefix(PREFIX)
    if name not in LOG_DENSITIES:
        raise UnknownValue
    bounds = ("low", "high") if name != term.function else ()
    arguments = [value_at(value, at) for key, value in term.kwargs if key not in bounds]
    return math.fsum(flatten(elementwise(LOG_DENSITIES[name], x, *arguments)))
