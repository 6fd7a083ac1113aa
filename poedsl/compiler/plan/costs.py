"""What a plan's models cost: how often they are evaluated, and for how long."""

from __future__ import annotations

import math
from collections.abc import Iterator

from poedsl.catalog.profiles import DEFAULT, Profile
from poedsl.catalog.signatures import Required, Signature
from poedsl.compiler.plan.guidance import guidance_scale
from poedsl.compiler.plan.option_values import form_name
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.plan_parts import GENERATIVE
from poedsl.compiler.plan.reward_evaluations import reward_evaluations
from poedsl.compiler.plan.terms import Apply, Const, names, walk

#: The sequences from which rules on text estimate what comes.
LOOK_AHEAD = 64
#: Functions of a text that rules are made of.
_RULES = frozenset({"contains", "matches", "length"})


def costs(plan: PlanSpec, profile: Profile = DEFAULT) -> Iterator[str]:
    """The cost of each factor whose signatures state one.

    Args:
        profile: whose weights experts have. Where it does not know what they cost, the cost is that
            of the expert's default weights, and the line says so.

    Kernels evaluate rewards that have a gradient at every step. Other rewards are evaluated once a
    stage, and once a step of a kernel that accepts or rejects by them.
    """
    particles = plan.option("particles")
    count = particles.value if isinstance(particles, Const) else 1
    assert isinstance(count, int)
    for factor in plan.factors:
        calls = {t for t in walk(factor.term) if isinstance(t, Apply)}
        signatures = [(c, s) for c in calls if (s := plan.find_signature(c.function)) is not None]
        cost = sum(
            _unit_cost(c, s, profile) * (1 if guidance_scale(c, s) is None else 2)
            for c, s in signatures
        )
        if not cost:
            continue
        rewards = [c for c, signature in signatures if signature.family == "reward"]
        differentiable = all("gradient" in plan.capabilities(c) for c in rewards)
        every_step = differentiable and form_name(plan.option("path")) != "prefix"
        if factor.kind in GENERATIVE or every_step:
            evaluations = plan.nfe + 1
        else:
            evaluations = reward_evaluations(plan)
        suffix = " for each part" if factor.loops else ""
        assumed = any(
            _is_replaced(c, s, profile) and s.name not in profile.costs for c, s in signatures
        )
        weights = ", if the weights are as large as the default ones" if assumed else ""
        duration = format_duration(cost * evaluations * count / 1000)
        yield (
            f"{factor.name}: {evaluations} evaluations of {count} particles{suffix}, "
            f"about {duration}{weights}"
        )
    yield from _look_ahead(plan)


def _unit_cost(call: Apply, signature: Signature, profile: Profile) -> float:
    """Milliseconds of one evaluation of one particle."""
    if _is_replaced(call, signature, profile):
        return profile.costs.get(signature.name, signature.cost)
    return signature.cost


def _is_replaced(call: Apply, signature: Signature, profile: Profile) -> bool:
    """Whether a call has the weights of the profile instead of the default ones."""
    parameter = signature.parameter("model")
    if signature.name not in profile.models or parameter is None:
        return False
    default = "" if isinstance(parameter.default, Required) else parameter.default or ""
    return dict(call.kwargs).get("model", Const(default)) in (Const(default), Const(None))


def weighs(signature: Signature) -> bool:
    """Whether an expert has weights, which a run loads from a folder."""
    has_model = bool(signature.model) or signature.parameter("model") is not None
    return has_model and bool(signature.implementation) and not signature.is_code


def has_networks(plan: PlanSpec) -> bool:
    """Whether a plan has experts with weights."""
    signatures = (plan.find_signature(call.function) for call, _ in plan.calls())
    return any(signature is not None and weighs(signature) for signature in signatures)


def looks_ahead(plan: PlanSpec) -> bool:
    """Whether there are rules on text, for which sequences are drawn before the run."""
    texts = {v.name for v in plan.variables if v.type.name == "Tokens"}
    return form_name(plan.option("path")) == "prefix" and any(
        isinstance(term, Apply) and term.function in _RULES and names(term) & texts
        for factor in plan.factors
        if factor.kind == "where"
        for term in walk(factor.term)
    )


def _look_ahead(plan: PlanSpec) -> Iterator[str]:
    """The cost of the sequences from which rules on text estimate what comes."""
    if not looks_ahead(plan):
        return
    experts = [f.term.function for f in plan.factors if isinstance(f.term, Apply)]
    signatures = [s for name in experts if (s := plan.find_signature(name)) is not None]
    cost = sum(s.cost for s in signatures if s.family == "tokens")
    sizes = [v.type.sizes for v in plan.variables]
    length = sum(math.prod(s or 1 for s in shape) for shape in sizes)
    if cost:
        duration = format_duration(cost * length * LOOK_AHEAD / 1000)
        yield (
            f"look-ahead of the rules: {length} evaluations of {LOOK_AHEAD} sequences, "
            f"about {duration}"
        )


def format_duration(seconds: float) -> str:
    """A duration to one or two digits."""
    for unit, size in (("h", 3600), ("min", 60), ("s", 1)):
        if seconds >= size:
            return f"{_rounded(seconds / size)} {unit}"
    return f"{_rounded(1000 * seconds)} ms"


def _rounded(number: float) -> str:
    return f"{float(f'{number:.2g}'):g}"
