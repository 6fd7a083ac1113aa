"""Conditions that hold always, never, or with probability zero, as far as constants tell."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from poedsl.compiler.functions.table import FUNCTIONS
from poedsl.compiler.plan.plan_parts import VariableSpec
from poedsl.compiler.plan.terms import Apply, Const, Ref, Term, walk
from poedsl.grammar.types import CONTINUOUS

#: Functions that give no value more than a set of measure zero, away from constants.
_SMOOTH = frozenset({"+", "-", "*", "/", "@", "^", "neg", "index", "list", "slice", "attribute"})
_SMOOTH |= {f.name for f in FUNCTIONS.values() if not f.has_atoms}
#: Comparisons as a sign and which side of them the constant bounds.
_BOUNDS = {"<": 1, "<=": 1, ">": -1, ">=": -1}


def oddity(condition: Term, variables: Mapping[str, VariableSpec]) -> str:
    """What is odd about a condition; empty where nothing is."""
    parts = list(_conjunction(condition))
    if Const(False) in parts or _apart(parts):
        return "this condition never holds: it leaves nothing of the product"
    if all(part == Const(True) for part in parts):
        return "this condition always holds: it has no effect"
    for part in parts:
        match part:
            case Apply("==", sides) if _continuous(sides, variables):
                return "an equality of continuous values holds with probability zero"
            case Apply("!=", sides) if _continuous(sides, variables):
                return "two continuous values always differ: this has no effect"
    return ""


def _conjunction(condition: Term) -> Iterator[Term]:
    pending = [condition]
    while pending:
        part = pending.pop()
        if isinstance(part, Apply) and part.function == "and":
            pending += reversed(part.args)
        else:
            yield part


def _apart(parts: list[Term]) -> bool:
    """Whether two bounds of one value leave nothing between them."""
    low: dict[Term, float] = {}
    high: dict[Term, float] = {}
    for part in parts:
        match part:
            case Apply(sign, (value, Const(int() | float() as end))) if sign in _BOUNDS:
                side = _BOUNDS[sign]
            case Apply(sign, (Const(int() | float() as end), value)) if sign in _BOUNDS:
                side = -_BOUNDS[sign]
            case _:
                continue
        if side > 0:
            high[value] = min(high.get(value, math.inf), end)
        else:
            low[value] = max(low.get(value, -math.inf), end)
    return any(low[value] > high[value] for value in low.keys() & high.keys())


def _continuous(sides: tuple[Term, ...], variables: Mapping[str, VariableSpec]) -> bool:
    """Whether what is compared is a smooth expression in a continuous variable."""
    parts = [part for side in sides for part in walk(side)]
    operands = [variables[p.name] for p in parts if isinstance(p, Ref) and p.name in variables]
    smooth = all(p.function in _SMOOTH for p in parts if isinstance(p, Apply))
    return smooth and bool(operands) and all(v.type.name in CONTINUOUS for v in operands)
