"""Types of mixtures: their components and their weights."""

from __future__ import annotations

from collections.abc import Iterator

from poedsl.compiler.functions.table import FUNCTIONS
from poedsl.compiler.plan.terms import Apply, Const, Term
from poedsl.compiler.typecheck.expert_factors import expert_factor
from poedsl.compiler.typecheck.scope import TypeScope
from poedsl.compiler.typecheck.target import TypedTarget
from poedsl.compiler.typecheck.typed import typed_constant
from poedsl.grammar import tree
from poedsl.grammar.source import Span
from poedsl.grammar.types import broadcast

#: The most components of a mixture.
MOST_COMPONENTS = 10_000


def mixture_components(
    checker: TypeScope, expr: tree.Call | tree.Comprehension
) -> Iterator[tuple[tree.Expr | None, tree.Expr]]:
    """Weights and densities, comprehensions unrolled with their name bound."""
    if isinstance(expr, tree.Call):
        for argument in expr.arguments:
            if argument.name is not None:
                checker.error(
                    "P0301",
                    "a component of a mixture has a weight, not a name",
                    argument.span,
                    notes=("it is written `mixture(0.3: A, 0.7: B)`",),
                )
            yield argument.weight, argument.value
        return
    iterable = checker.value(expr.iterable)
    if not iterable.ok:
        return
    if not isinstance(iterable.value, tuple):
        checker.error(
            "P0302",
            "a comprehension runs over a vector known when the program is compiled",
            expr.iterable.span,
        )
        return
    if len(iterable.value) > MOST_COMPONENTS:
        message = f"a mixture has at most {MOST_COMPONENTS:,} components"
        checker.error("P0506", message, expr.iterable.span)
        return
    with checker.binding(expr.target.name):
        for element in iterable.value:
            checker.environment[expr.target.name] = typed_constant(element, expr.target.span)
            yield expr.body.weight, expr.body.value


def mixture_factor(
    checker: TypeScope, expr: tree.Call | tree.Comprehension, target: TypedTarget
) -> Term | None:
    weights: list[Term | None] = []
    parts: list[Term | None] = []
    before = len(checker.diagnostics)
    for weight, component in mixture_components(checker, expr):
        parts.append(mixture_component(checker, component, target))
        weights.append(None if weight is None else mixture_weight(checker, weight, target))
        if isinstance(expr, tree.Comprehension) and len(checker.diagnostics) > before:
            return None
    if len(checker.diagnostics) > before or any(p is None for p in parts):
        return None
    if not parts:
        if isinstance(expr, tree.Call):
            checker.error("P0405", "a mixture has at least one component", expr.span)
        return None
    shares = mixture_shares(checker, weights, expr.span)
    if shares is None:
        return None
    pairs = zip(shares, parts, strict=True)
    terms = tuple(t for w, p in pairs if p is not None for t in (w, p))
    return Apply("mixture", terms, span=expr.span)


def mixture_component(checker: TypeScope, expr: tree.Expr, target: TypedTarget) -> Term | None:
    signature = checker.signature_of(expr)
    if isinstance(expr, tree.Call) and signature is not None and signature.family != "reward":
        if "log_prob" not in signature.capabilities:
            checker.error(
                "P0406",
                f"`{signature.name}` gives a score but no density, which a mixture needs "
                "of its parts",
                expr.span,
            )
            return None
        if signature.family != "density" and not target.observed:
            checker.error(
                "P0406",
                f"`{signature.name}` is over sequences, and a mixture is of densities over numbers",
                expr.span,
            )
            return None
        return expert_factor(checker, expr, signature, target)
    if isinstance(expr, tree.Call | tree.Comprehension):
        if expr.called == "mixture":
            return mixture_factor(checker, expr, target)
        if signature is None and expr.called not in (*FUNCTIONS, "exp", "where"):
            return None
    checker.error("P0406", "a component of a mixture is one normalised density", expr.span)
    return None


def mixture_weight(checker: TypeScope, expr: tree.Expr, target: TypedTarget) -> Term:
    """A weight: a constant above 0; over data also a number that depends on variables."""
    typed = checker.value(expr)
    value = typed.value
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0:
        return Const(float(value))
    if target.observed and not isinstance(typed.term, Const) and typed.type.is_numeric:
        wider = broadcast(typed.type.sizes, target.typed.type.sizes)
        if wider is not None and len(wider) == len(target.typed.type.sizes):
            return typed.term
    if typed.ok:
        message = "a weight is a number above 0, known when the program is compiled"
        notes = ("over data it may depend on variables: one number, or one for each of the data",)
        checker.error("P0405", message, expr.span, notes=notes if target.observed else ())
    return Const(1.0)


def mixture_shares(checker: TypeScope, weights: list[Term | None], span: Span) -> list[Term] | None:
    """The weights of the parts; by default they are equal."""
    explicit = [w for w in weights if w is not None]
    if not explicit:
        return [Const(1 / len(weights))] * len(weights)
    if len(explicit) < len(weights):
        checker.error("P0405", "either all components of a mixture have a weight, or none", span)
        return None
    constants = [w.value for w in explicit if isinstance(w, Const)]
    total = sum(c for c in constants if isinstance(c, (int, float)))
    if len(constants) == len(explicit) and abs(total - 1) > 1e-6:
        checker.error("P0405", f"the weights of this mixture sum to {total:.6g}, not to 1", span)
        return None
    return explicit
