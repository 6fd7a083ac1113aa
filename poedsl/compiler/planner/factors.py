"""What single factors of a product can do, and groups of factors that decisions rest on."""

from __future__ import annotations

import math
from collections.abc import Iterable

from poedsl.compiler.analysis.regions import extent, unseen
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.plan_parts import GENERATIVE, FactorSpec, VariableSpec
from poedsl.compiler.plan.terms import Apply, Const, Term

#: Types whose values are sequences of symbols.
SYMBOLS = frozenset({"Tokens", "Category"})
PICTURES = frozenset({"Image", "Video"})


def capabilities(factor: FactorSpec, spec: PlanSpec) -> frozenset[str]:
    if factor.kind == "gaussian" or not isinstance(factor.term, Apply):
        return frozenset({"noised", "score", "log_prob"})
    return spec.capabilities(factor.term)


def generative_factors(spec: PlanSpec) -> dict[str, list[FactorSpec]]:
    """The generative factors of each variable's own statements."""
    by_variable: dict[str, list[FactorSpec]] = {v.name: [] for v in spec.variables}
    for factor in spec.factors:
        if factor.kind in GENERATIVE:
            by_variable[factor.variables[0]].append(factor)
    return by_variable


def component_count(spec: PlanSpec) -> int | None:
    """How many real numbers a plan is over; None where that is not constant."""
    total = 0
    for variable in spec.variables:
        if None in variable.type.sizes:
            return None
        total += math.prod(s for s in variable.type.sizes if s is not None)
    return total


def section_experts(spec: PlanSpec) -> list[FactorSpec]:
    """The experts that extend a variable by sections; the first one proposes."""
    return [f for f in spec.factors if f.kind == "flow" and "extend" in capabilities(f, spec)]


def exponent_sum(factors: Iterable[FactorSpec]) -> float | None:
    """The sum of the exponents; None where one of them is not a constant number."""
    total = 0.0
    for factor in factors:
        value = factor.exponent.value if isinstance(factor.exponent, Const) else None
        if not isinstance(value, (int, float)):
            return None
        total += value
    return total


def whole_exponent_sum(factors: list[FactorSpec]) -> float | None:
    """The sum of the exponents; None where it is not a constant or varies between components."""
    return None if any(f.part is not None for f in factors) else exponent_sum(factors)


def uncovered_component(variable: VariableSpec, factors: list[FactorSpec]) -> str:
    """The index of the first component that no generative factor covers; empty if there is none."""
    sizes = tuple(s for s in variable.type.sizes if s is not None)
    if len(sizes) < len(variable.type.sizes) or not sizes or any(f.loops for f in factors):
        return ""
    if variable.space and any(_is_box(f.part) for f in factors):  # a latent spans several pixels
        return ""
    extents = [extent(f.part, sizes) for f in factors]
    constant = [e for e in extents if e is not None]
    index = unseen(constant, sizes) if len(constant) == len(extents) else None
    return "" if index is None else ", ".join(map(str, index))


def _is_box(part: Term | None) -> bool:
    return isinstance(part, Apply) and any(
        isinstance(item, Apply) and item.function == "box" for item in part.args
    )
