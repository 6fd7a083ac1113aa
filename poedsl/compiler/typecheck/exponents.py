"""Types of exponents: a number, or a mask over the components."""

from __future__ import annotations

from poedsl.compiler.functions.constants import flatten
from poedsl.compiler.plan.terms import Apply, Const, Term, names
from poedsl.compiler.typecheck.scope import TypeScope
from poedsl.compiler.typecheck.target import TypedTarget
from poedsl.compiler.typecheck.typed import Typed, describe, sized
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Label
from poedsl.grammar.types import Type, broadcast, unify


def exponent_term(checker: TypeScope, expr: tree.Expr, target: TypedTarget) -> Term | None:
    """A number, or a mask over the components (Zhang et al., F.1), wrapped in ``mask``."""
    typed = checker.value(expr)
    if not typed.ok:
        return None
    if inner := sorted(names(typed.term) & checker.variables):
        checker.error(
            "P0409",
            f"an exponent is a number, and this depends on the variable `{inner[0]}`",
            expr.span,
        )
        return None
    if not typed.type.is_numeric or typed.type.name == "Bool":
        checker.error(
            "P0409",
            f"an exponent is a number or a mask, and this is {describe(typed.type)}",
            expr.span,
        )
        return None
    if not typed.type.sizes:
        return typed.term
    return mask_exponent(checker, expr, typed, target)


def mask_exponent(
    checker: TypeScope, expr: tree.Expr, typed: Typed, target: TypedTarget
) -> Term | None:
    domain = target.typed.type
    if not target.typed.ok:
        return None
    sizes = typed.type.sizes
    if domain.name == "Video" and len(sizes) == 3:
        sizes = (sizes[0], 1, *sizes[1:])
    wide, whole = broadcast(sizes, domain.sizes), Type("", domain.sizes)
    if domain.name == "Tokens" or wide is None or unify(Type("", wide), whole) is None:
        checker.error(
            "P0303",
            f"this exponent is {describe(typed.type)}, which does not broadcast to {sized(domain)}",
            expr.span,
            labels=(Label(checker.places[target.variable], f"`{target.variable}` is {domain}"),),
        )
        return None
    if isinstance(typed.value, tuple):
        values = set(flatten(typed.value))
        if len(values) == 1:
            return Const(values.pop(), expr.span)
    return Apply("mask", (typed.term,), span=expr.span)
