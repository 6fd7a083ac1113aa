"""Whether the combined scores are the gradient of a log density, and what prevents it.

Importance weights and Metropolis ratios are defined only where they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from poedsl.compiler.analysis.regions import crossing
from poedsl.compiler.plan.option_values import form_name
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.plan_parts import GENERATIVE
from poedsl.compiler.plan.terms import Const, Term
from poedsl.compiler.planner.factors import generative_factors


def nonconservative(spec: PlanSpec, options: Mapping[str, Term]) -> str:
    """Why the combined scores are not the gradient of a log density; empty where they are.

    Args:
        options: those of ``sample`` that are set so far.
    """
    return next(_obstacles(spec, options), "")


def _obstacles(spec: PlanSpec, options: Mapping[str, Term]) -> Iterator[str]:
    guided = form_name(options.get("condition", Const(None))) != "none"
    normalized = options.get("normalize_exponents") == Const(True)
    overlapping = _overlapping(spec) if normalized else frozenset()
    for factor in spec.factors:
        if factor.kind not in GENERATIVE:
            continue
        if factor.mask:
            yield f"the exponent of `{factor.name}` at {factor.place} is a mask"
        elif factor.given and guided:
            yield f"`{factor.name}` at {factor.place} is conditioned on its parents"
        elif factor.name in overlapping:
            yield f"exponents are scaled where `{factor.name}` at {factor.place} overlaps others"


def _overlapping(spec: PlanSpec) -> frozenset[str]:
    """The experts on parts that share components with an expert on another part."""
    names: set[str] = set()
    sizes = {v.name: v.type.sizes for v in spec.variables}
    for variable, factors in generative_factors(spec).items():
        partial = [f for f in factors if f.part is not None]
        if any(f.part is None or f.loops for f in factors):
            names |= {f.name for f in partial}
        else:
            crossed = crossing((f.part for f in partial if f.part is not None), sizes[variable])
            names |= {f.name for f in partial if f.part in crossed}
    return frozenset(names)
