"""Errors and warnings about single factors, and about pairs of them that overlap."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from poedsl.compiler.analysis.conditions import oddity
from poedsl.compiler.analysis.regions import overlap
from poedsl.compiler.plan.plan_parts import GENERATIVE, WEIGHING, FactorSpec, VariableSpec
from poedsl.compiler.plan.terms import Apply, Const, Term, names
from poedsl.grammar.diagnostics import Diagnostic, Label
from poedsl.grammar.source import Span
from poedsl.grammar.types import Sizes

#: Above this many parts of one variable, pairs of them are not compared.
MOST_PARTS = 64


def overlaps(
    factors_by_variable: Mapping[str, list[FactorSpec]],
    variables: Iterable[VariableSpec],
    spans: Mapping[str, Span],
) -> list[Diagnostic]:
    """Overlapping parts whose experts have different prompts, or are the same expert."""
    out: list[Diagnostic] = []
    sizes = {v.name: v.type.sizes for v in variables}
    for name, factors in factors_by_variable.items():
        models = [f for f in factors if f.kind == "flow" and not f.loops and not f.mask]
        for i, later in enumerate(models[:MOST_PARTS]):
            for earlier in models[:i]:
                conflict = _overlap(earlier, later, sizes[name])
                if conflict is not None:
                    code, message = conflict
                    labels = (Label(spans[earlier.name], "the other one"),)
                    span = spans[later.name]
                    out.append(Diagnostic(code, message, span, "warning", labels=labels))
                    break
    return out


def _overlap(earlier: FactorSpec, later: FactorSpec, sizes: Sizes) -> tuple[str, str] | None:
    """The code and message of a conflict between two models with components in common."""
    whole = earlier.part is None or later.part is None
    if not (whole or overlap(earlier.part, later.part, sizes)):
        return None
    exponents = [_number(earlier.exponent), _number(later.exponent)]
    if earlier.term == later.term:
        counted = min(exponents) > 0 and max(exponents) <= 1 < sum(exponents)
        if counted and earlier.part != later.part:
            total = sum(exponents)
            return "P0806", f"where the two overlap, this expert has the exponent {total:g}"
        return None
    prompts = [
        dict(f.term.kwargs).get("prompt") for f in (earlier, later) if isinstance(f.term, Apply)
    ]
    differ = all(isinstance(p, Const) for p in prompts) and prompts[0] != prompts[1]
    guidance = min(exponents) < 0
    if differ and not guidance and earlier.part is not None and later.part is not None:
        return "P0805", "two parts that overlap have different prompts"
    return None


def lints(
    factor: FactorSpec, leaf: Apply, variables: Mapping[str, VariableSpec]
) -> list[Diagnostic]:
    negative = _number(factor.exponent) < 0
    if factor.kind == "where" and negative:
        return [
            Diagnostic(
                "P0409", "a condition has no negative power: it would divide by zero", leaf.span
            )
        ]
    if factor.mask and factor.kind not in GENERATIVE:
        message = "a mask as exponent goes with an expert that generates, and this is none"
        return [Diagnostic("P0409", message, leaf.span)]
    if factor.kind == "where" and (odd := oddity(factor.term, variables)):
        return [Diagnostic("P0807", odd, leaf.span, "warning")]
    if factor.kind in WEIGHING and not names(leaf) & variables.keys():
        noun = "condition" if factor.kind == "where" else factor.kind
        which = "a" if factor.kind == "likelihood" else "the"
        message = f"this {noun} does not depend on {which} variable"
        return [Diagnostic("P0803", message, leaf.span, "warning")]
    return []


def _number(term: Term) -> float:
    """The value of a constant number; nan of all else."""
    value = term.value if isinstance(term, Const) else None
    return float(value) if isinstance(value, (int, float)) else math.nan
