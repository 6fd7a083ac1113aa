"""Where densities are above zero: the ends of their supports, and factors that share no point."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import permutations

from poedsl.catalog.signatures import Event, Signature
from poedsl.compiler.functions.constants import elementwise, flatten
from poedsl.compiler.plan.lowered import Lowered
from poedsl.compiler.plan.plan_parts import FactorSpec
from poedsl.compiler.plan.terms import Apply, Const, Term, Value
from poedsl.grammar.diagnostics import Diagnostic, Label
from poedsl.grammar.source import Span


@dataclass(frozen=True, slots=True)
class SupportInterval:
    """The support of a density or a mixture.

    Attributes:
        low, high: the terms of which the least, or the greatest, is the end; empty where there is
            none.
        event: of which kind an event is, as of `Support`.
    """

    low: tuple[Term, ...] = ()
    high: tuple[Term, ...] = ()
    event: Event = ""

    @property
    def constrained(self) -> bool:
        return bool(self.low or self.high or self.event)


def ends(term: Term, signature: Callable[[str], Signature]) -> SupportInterval:
    """The support of a density; that of a mixture is between the outermost ends of its parts."""
    assert isinstance(term, Apply)
    if term.function != "mixture":
        support = signature(term.function).support
        arguments = dict(term.kwargs)
        low, high = (
            None if end is None else (arguments[end] if isinstance(end, str) else Const(end))
            for end in (support.low, support.high)
        )
        begins, stops = (() if e in (None, Const(None)) else (e,) for e in (low, high))
        return SupportInterval(begins, stops, support.event)
    parts = [ends(part, signature) for part in term.args[1::2]]
    return SupportInterval(
        tuple(t for p in parts for t in p.low) if all(p.low for p in parts) else (),
        tuple(t for p in parts for t in p.high) if all(p.high for p in parts) else (),
        next((p.event for p in parts if p.event), ""),
    )


def contradictions(lowered: Lowered, signatures: Mapping[str, Signature]) -> dict[str, Diagnostic]:
    """The variables whose densities share no point, as far as constants tell."""
    of = lowered.by_variable()
    out: dict[str, Diagnostic] = {}
    for variable in lowered.complete:
        densities = [f for f in of[variable.name] if f.kind == "density" and not f.loops]
        densities = [f for f in densities if f.variables[0] == variable.name]
        diagnostic = _empty(densities, lowered.spans, signatures) or _apart(
            densities, lowered.spans, signatures
        )
        if diagnostic is not None:
            out[variable.name] = diagnostic
    return out


def _empty(
    factors: list[FactorSpec], spans: dict[str, Span], signatures: Mapping[str, Signature]
) -> Diagnostic | None:
    """A density whose lower end is not below its upper one."""
    for factor in factors:
        clash = _clash(*_constants(factor, signatures))
        if clash is not None and isinstance(factor.term, Apply):
            message = f"the support of `{factor.term.function}` begins below its end"
            here = f"from {clash[0]:g} to {clash[1]:g}"
            return Diagnostic("P0307", message, spans[factor.name], here=here)
    return None


def _apart(
    factors: list[FactorSpec], spans: dict[str, Span], signatures: Mapping[str, Signature]
) -> Diagnostic | None:
    """Two densities of one part, of which one ends before the other begins."""
    for below, above in permutations(factors, 2):
        high, low = _constants(below, signatures)[1], _constants(above, signatures)[0]
        clash = _clash(low, high)
        if below.part == above.part and clash is not None:
            return Diagnostic(
                "P0414",
                f"these densities over `{below.variables[0]}` share no point, and their product is "
                "zero",
                spans[below.name],
                here=f"zero above {clash[1]:g}",
                labels=(Label(spans[above.name], f"zero below {clash[0]:g}"),),
            )
    return None


def _constants(
    factor: FactorSpec, signatures: Mapping[str, Signature]
) -> tuple[Value | None, Value | None]:
    """The ends of a factor's support, where they are constants."""
    support = ends(factor.term, signatures.__getitem__)
    return _outermost(support.low, min), _outermost(support.high, max)


def _outermost(terms: tuple[Term, ...], pick: Callable[..., Value]) -> Value | None:
    values = [t.value for t in terms if isinstance(t, Const)]
    if not values or len(values) < len(terms):
        return None
    return values[0] if len(values) == 1 else elementwise(pick, *values)


def _clash(low: Value | None, high: Value | None) -> tuple[float, float] | None:
    """A lower end and the upper one of the same component, which is not above it."""
    if low is None or high is None:
        return None
    lows = flatten(elementwise(lambda a, b: a, low, high))
    highs = flatten(elementwise(lambda a, b: b, low, high))
    return next(((a, b) for a, b in zip(lows, highs, strict=True) if a >= b), None)
