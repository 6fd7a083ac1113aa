"""Whether a term can be written in the language."""

from __future__ import annotations

from collections.abc import Mapping

from poedsl.catalog.signatures import Signature
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.terms import (
    BINARY,
    CHAINS,
    LOOPS,
    UNARY,
    Apply,
    Const,
    Term,
    Value,
    as_loop,
    is_slice,
    walk,
)


def malformed(term: Term) -> str:
    """Why a term cannot be written in the language; empty where it can be."""
    for node in walk(term):
        if isinstance(node, Apply) and (problem := _ill_formed(node)):
            return problem
    return ""


def _ill_formed(node: Apply) -> str:
    args, loop = node.args, as_loop(node)
    fits = {
        "list": bool(args),
        "index": len(args) > 1,
        "slice": len(args) == 2,
        "attribute": len(args) == 2 and isinstance(args[1], Const) and is_name(args[1].value),
        "mixture": bool(args) and len(args) % 2 == 0,
        **dict.fromkeys(LOOPS, loop is not None and all(map(is_name, loop.bound))),
    }
    fits |= dict.fromkeys(UNARY, len(args) == 1) | dict.fromkeys(BINARY, len(args) == 2)
    fits |= dict.fromkeys(CHAINS, len(args) > 1)
    if node.function not in fits:
        return "" if is_name(node.function) else f"there is no `{node.function[:40]}`"
    if node.kwargs or not fits[node.function]:
        return f"`{node.function}` does not have these arguments"
    places = args[1:] if node.function == "index" else ()
    if any(is_slice(a) for a in (*args, *dict(node.kwargs).values()) if a not in places):
        return "a slice stands in an index"
    return ""


def is_name(value: object) -> bool:
    return isinstance(value, str) and value.isidentifier() and value.isascii()


def without_subject(term: Term, signatures: Mapping[str, Signature]) -> str:
    """Which reward of a term does not say what it judges, as the compiler writes it out; empty
    where all do.
    """
    rewards = {name for name, s in signatures.items() if s.family == "reward"}
    for call in walk(term):
        if isinstance(call, Apply) and call.function in rewards:
            if "subject" in dict(call.kwargs):
                continue
            return f"the reward `{call.function}` has no `subject`"
    return ""


def written_out(plan: PlanSpec) -> int:
    """How many terms and constants a plan has."""
    terms = [t for f in plan.factors for t in (f.term, f.exponent, f.part, f.observed) if t]
    terms += [let.term for let in plan.lets] + [r.term for r in plan.reports]
    terms += [s.term for s in plan.sizes]
    terms += [t for f in plan.factors for _, t in f.loops]
    terms += [o.value for o in plan.options]
    nodes = [t for term in terms for t in walk(term)]
    return sum(_constants(t.value) if isinstance(t, Const) else 1 for t in nodes)


def _constants(value: Value) -> int:
    return sum(map(_constants, value)) + 1 if isinstance(value, tuple) else 1
