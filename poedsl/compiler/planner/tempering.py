"""When a product is tempered: all factors have densities, and the path from noise is unsuitable."""

from __future__ import annotations

from collections.abc import Collection

from poedsl.compiler.analysis.supports import ends
from poedsl.compiler.functions.operators import CONDITION_OPERATORS
from poedsl.compiler.functions.table import FUNCTIONS
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.plan_parts import WEIGHING, FactorSpec
from poedsl.compiler.plan.terms import Apply, names, walk
from poedsl.compiler.planner.factors import (
    component_count,
    generative_factors,
    uncovered_component,
    whole_exponent_sum,
)
from poedsl.compiler.planner.separated_mixtures import separated_mixture

#: Tempering searches for modes up to this number of components.
MODES_SEARCHED = 1000
#: Functions with few jumps.
STEPS = CONDITION_OPERATORS | {"sign", "where", "arctan2", "all", "any", "contains", "matches"}
#: Functions without jumps that do not oscillate.
STEADY = frozenset(
    {
        *("abs", "clamp", "min", "max", "sqrt", "square"),
        *("exp", "expm1", "log", "log1p", "log2", "log10", "logaddexp"),
        *("tanh", "sigmoid", "softplus", "log_sigmoid", "logit", "arcsin", "arccos", "arctan"),
        *("sinh", "cosh", "arcsinh", "arccosh", "arctanh"),
        *("erf", "erfc", "erfinv", "normal_cdf", "normal_icdf", "log_normal_cdf"),
        *("lgamma", "digamma", "lbeta", "lchoose"),
        *("sum", "prod", "mean", "var", "std", "norm", "logsumexp", "softmax", "log_softmax"),
        *("cumsum", "cumprod", "diff", "median", "quantile", "sort"),
        *("transpose", "cholesky", "solve", "inverse", "det", "logdet", "diag", "outer", "dot"),
        *("linspace", "range", "concat", "length", "identity", "zeros", "ones"),
        *("box", "frames", "crop", "blur", "resize", "grey"),
    }
)
#: Functions that oscillate or have many jumps, as every function that is not known to be steady.
OSCILLATING = FUNCTIONS.keys() - STEADY - STEPS


def tempering_reason(spec: PlanSpec) -> str:
    """Why a product of densities is tempered; empty where it need not or cannot be."""
    if not all(_has_density(f) for f in spec.factors if f.kind not in WEIGHING):
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
            shown = f"`{factor.name}` at {factor.place}"
            return f"{shown} cannot be predicted well from a noised particle"
    return ""


def far_factor(spec: PlanSpec) -> str:
    """Why a product of densities is better tempered, though a path from noise exists; empty where
    nothing is known to be so, or an expert has no density.
    """
    if not all(_has_density(f) for f in spec.factors if f.kind not in WEIGHING):
        return ""
    for factor in spec.factors:
        shown = f"`{factor.name}` at {factor.place}"
        if factor.kind == "likelihood":
            used = names(factor.observed) if factor.observed else frozenset()
            data = ", ".join(sorted(used - dict(factor.loops).keys()))
            return f"{shown} is a likelihood of `{data}`, and tempering lets it grow from the prior"
        if factor.kind == "density":
            return f"{shown} has no noised marginals, and tempering places its stages by it"
        if factor.kind in ("reward", "where") and not _calls_networks(factor, spec):
            return f"{shown} may be far from the experts, and tempering places its stages by it"
    return ""


def separated_reason(spec: PlanSpec) -> str:
    """Why a product of mixtures is better tempered; empty where noise serves as well, an expert has
    no density, or modes are not searched for.
    """
    components = component_count(spec)
    if components is None or components > MODES_SEARCHED:
        return ""
    if not all(_has_density(f) for f in spec.factors if f.kind not in WEIGHING):
        return ""
    gaussians = [f for f in spec.factors if f.kind == "gaussian"]
    for variable in spec.variables:
        mixture = separated_mixture(f for f in gaussians if f.variables[0] == variable.name)
        if mixture is not None:
            return (
                f"parts of `{mixture.name}` at {mixture.place} may be far from the other experts, "
                "and tempering starts from the modes of the product"
            )
    return ""


def _has_density(factor: FactorSpec) -> bool:
    return factor.kind in ("gaussian", "density") and not factor.mask and not factor.given


def _calls_user_code(factor: FactorSpec, spec: PlanSpec) -> bool:
    """Whether a density, or a component of a mixture, is Python that the program brings along."""
    calls = (t for t in walk(factor.term) if isinstance(t, Apply))
    signatures = (spec.find_signature(call.function) for call in calls)
    return any(signature is not None and signature.is_code for signature in signatures)


def _calls_networks(factor: FactorSpec, spec: PlanSpec) -> bool:
    """Whether a reward calls a model of the catalog, which takes too long for many kernel steps."""
    calls = (t for t in walk(factor.term) if isinstance(t, Apply))
    signatures = (spec.find_signature(call.function) for call in calls)
    return any(signature is not None and not signature.is_code for signature in signatures)


def _unpredictable(factor: FactorSpec, variables: Collection[str]) -> bool:
    """Whether the value at the predicted endpoint says little of the value at the end of the path:
    the factor oscillates, or is a reward with steps.
    """
    sudden = {"reward": STEPS | OSCILLATING, "where": OSCILLATING}.get(factor.kind, frozenset())
    calls = (t for t in walk(factor.term) if isinstance(t, Apply) and t.function in sudden)
    return any(names(call) & set(variables) for call in calls)
