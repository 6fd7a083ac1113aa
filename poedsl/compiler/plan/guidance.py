"""Classifier-free guidance in a plan: as one field, or as a product of two experts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations

from poedsl.catalog.signatures import Signature
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.plan_parts import FactorSpec
from poedsl.compiler.plan.term_syntax import to_tree
from poedsl.compiler.plan.terms import Apply, Const, Term
from poedsl.grammar.formatting.printer import print_expr


def guidance_scale(call: Apply, signature: Signature | None) -> Term | None:
    """The scale by which a call is guided; None where it is not."""
    parameters = () if signature is None else signature.parameters
    parameter = next((p for p in parameters if p.role == "guidance"), None)
    scale = Const(1) if parameter is None else dict(call.kwargs).get(parameter.name, Const(1))
    return None if scale == Const(1) else scale


def guided_factors(plan: PlanSpec) -> Iterator[tuple[FactorSpec, Apply, Term]]:
    """The factors that are guided, with their call and its scale."""
    for factor in plan.factors:
        call = factor.term
        if isinstance(call, Apply) and factor.kind == "flow":
            scale = guidance_scale(call, plan.find_signature(call.function))
            if scale is not None:
                yield factor, call, scale


def guidance_notes(plan: PlanSpec) -> tuple[str, ...]:
    """Which factors are guided fields, and which are guidance as a product of densities."""
    return (*map(_of_field, guided_factors(plan)), *_of_products(plan))


def exact_form(call: Apply, scale: Term) -> str:
    """A guided call as a product of two that are not, in the arguments that differ."""
    arguments = dict(call.kwargs)
    prompts = (to_tree(arguments.get(name, Const(""))) for name in ("prompt", "negative"))
    c, u = (f"{call.function}(prompt = {print_expr(p)}, guidance = 1)" for p in prompts)
    w, rest = _powers(scale)
    return f"`{c}^{w} * {u}^{rest}`"


def _of_field(guided: tuple[FactorSpec, Apply, Term]) -> str:
    factor, call, scale = guided
    return (
        f"{factor.name} at {factor.place} is guided, u + {_powers(scale)[0]} (c - u) of "
        "predictions c with the prompt and u with the negative one; this field is in general not "
        "the score of the noised marginals of any density. As a product of densities guidance is "
        f"{exact_form(call, scale)}"
    )


def _of_products(plan: PlanSpec) -> Iterator[str]:
    flows = [f for f in plan.factors if f.kind == "flow" and isinstance(f.term, Apply)]
    for a, b in combinations(flows, 2):
        scale = _scale(a.exponent, b.exponent)
        if scale is not None and _differ_by_prompt(a, b, plan):
            yield (
                f"{a.name} at {a.place} and {b.name} at {b.place} are classifier-free guidance "
                f"with scale {_powers(scale)[0]} as a product of two densities, which has the "
                "scores of the guided field at every noise level"
            )


def _differ_by_prompt(a: FactorSpec, b: FactorSpec, plan: PlanSpec) -> bool:
    """Whether two factors are calls of one guidable expert, unguided, with different prompts."""
    x, y = a.term, b.term
    assert isinstance(x, Apply) and isinstance(y, Apply)
    signature = plan.find_signature(x.function)
    if x.function != y.function or signature is None:
        return False
    if all(p.role != "guidance" for p in signature.parameters):
        return False
    if any(guidance_scale(call, signature) is not None for call in (x, y)):
        return False
    prompts = {p.name for p in signature.parameters if p.role == "prompt"}
    others = [{k: v for k, v in call.kwargs if k not in prompts} for call in (x, y)]
    same = (a.variables, a.part, a.loops, a.given, a.mask) == (
        *(b.variables, b.part, b.loops, b.given, b.mask),
    )
    return same and others[0] == others[1] and x != y


def _scale(a: Term, b: Term) -> Term | None:
    """w, where two exponents are w and 1 - w, one of them below zero or not known."""
    for w, rest in ((a, b), (b, a)):
        match w, rest:
            case Const(float() | int() as x), Const(float() | int() as y):
                if y < 0 and math.isclose(x + y, 1):
                    return w
            case _ if rest == Apply("-", (Const(1), w)):
                return w
    return None


def _powers(scale: Term) -> tuple[str, str]:
    """w and 1 - w as exponents."""
    match scale:
        case Const(float() | int() as number):
            return f"{number:g}", f"{1 - number:g}"
        case _:
            text = print_expr(to_tree(scale))
            text = f"({text})" if isinstance(scale, Apply) else text
            return text, f"(1 - {text})"
