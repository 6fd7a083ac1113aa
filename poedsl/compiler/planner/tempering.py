"""When a product is tempered: all factors have densities, and the path from noise is unsuitable."""

from __future__ import annotations

from collections.abc import Collection

from poedsl.compiler.analysis.supports import ends
from poedsl.compiler.functions.operators import CONDITION_OPERATORS
from poedsl.compiler.plan.plan import FactorSpec, PlanSpec
from poedsl.compiler.plan.terms import Apply, Const, Ref, Term, names, walk
from poedsl.compiler.planner.factors import (
    generative_factors,
    uncovered_component,
    whole_exponent_sum,
)

#: Functions with jumps, and functions that oscillate or have many jumps.
STEPS = CONDITION_OPERATORS | {"sign"}
OSCILLATING = frozenset({"sin", "cos", "tan", "floor", "round"})
#: Functions that leave the degree of a polynomial as it is.
KEEP_DEGREE = frozenset(
    {"+", "-", "/", "neg", "list", "index", "crop", "sum", "mean", "norm", "abs", "min", "max"}
)


def tempering_reason(spec: PlanSpec) -> str:
    """Why a product of densities is tempered; empty where it need not or cannot be."""
    if not all(_has_density(f) for f in spec.factors if f.kind not in ("reward", "where")):
        return ""
    generative_by_variable = generative_factors(spec)
    for variable in spec.variables:
        name = variable.name
        generative = generative_by_variable[name]
        densities = [f for f in spec.factors if f.kind == "density" and f.variables[0] == name]
        if any(ends(f.term, spec.signature).constrained for f in densities):
            return f"`{name}` has a constrained support"
        if not generative:
            return f"no expert of {name} has noised marginals in closed form"
        if any(_calls_user_code(f, spec) for f in densities):
            return f"a user-defined density over {name} may lie far from the other experts"
        total = whole_exponent_sum(generative)
        if total is not None and total <= 0:
            return f"the exponents over {name} sum to {total:g}, so that no path from noise exists"
        index = uncovered_component(variable, generative)
        if index and densities:
            return f"no expert has noised marginals of {name}[{index}]"
    variables = {v.name for v in spec.variables}
    for factor in spec.factors:
        if _unpredictable(factor, variables):
            site = f"`{factor.name}` at {factor.place}"
            return f"{site} cannot be predicted well from a noised particle"
    return ""


def _has_density(factor: FactorSpec) -> bool:
    return factor.kind in ("gaussian", "density") and not factor.mask and not factor.given


def _calls_user_code(factor: FactorSpec, spec: PlanSpec) -> bool:
    """Whether a density, or a component of a mixture, is Python that the program brings along."""
    calls = (t for t in walk(factor.term) if isinstance(t, Apply))
    signatures = (spec.find_signature(call.function) for call in calls)
    return any(signature is not None and signature.is_code for signature in signatures)


def _unpredictable(factor: FactorSpec, variables: Collection[str]) -> bool:
    """Whether the value at the predicted endpoint says little of the value at the end of the path:
    the factor oscillates, or is a reward with steps or of more than second degree.
    """
    sudden = {"reward": STEPS | OSCILLATING, "where": OSCILLATING}.get(factor.kind, frozenset())
    calls = (t for t in walk(factor.term) if isinstance(t, Apply) and t.function in sudden)
    if any(names(call) & set(variables) for call in calls):
        return True
    return factor.kind == "reward" and _degree(factor.term, variables) > 2


def _degree(term: Term, variables: Collection[str]) -> float:
    """The degree of a polynomial in the variables; 0 for a function that is not polynomial."""
    match term:
        case Ref(name):
            return float(name in variables)
        case Apply("*" | "dot", args):
            return sum(_degree(a, variables) for a in args)
        case Apply("^", (base, Const(int() | float() as power))):
            return power * _degree(base, variables)
        case Apply(function, args) if function in KEEP_DEGREE:
            return max((_degree(a, variables) for a in args), default=0.0)
        case _:
            return 0.0
