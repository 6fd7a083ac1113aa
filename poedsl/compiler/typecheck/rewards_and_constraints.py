"""Types of factors ``exp(reward)`` and ``where(condition)``."""

from __future__ import annotations

from poedsl.compiler.plan.terms import Apply, Term
from poedsl.compiler.typecheck.scope import TypeScope
from poedsl.compiler.typecheck.typed import Typed, describe
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Edit, Fix


def single_argument(checker: TypeScope, expr: tree.Call) -> tree.Expr | None:
    if len(expr.arguments) == 1:
        argument = expr.arguments[0]
        if argument.name is None and argument.weight is None:
            return argument.value
    checker.error("P0301", f"`{expr.function.name}` takes one argument", expr.span)
    return None


def reward_factor(checker: TypeScope, expr: tree.Call) -> Term | None:
    inner = single_argument(checker, expr)
    if inner is None:
        return None
    with checker.within_reward():
        typed = checker.value(inner)
    if not typed.ok:
        return None
    if typed.type.name not in ("Real", "Int") and not (
        typed.type.is_numeric and typed.type.name != "Bool"
    ):
        checker.error(
            "P0410", f"`exp` takes a number, and this is {describe(typed.type)}", inner.span
        )
        return None
    if typed.type.sizes:
        fixed = f"sum({checker.text(inner.span)})"
        checker.error(
            "P0410",
            f"`exp` takes one number, and this is {describe(typed.type)}",
            inner.span,
            fixes=(Fix(f"add up the components: `{fixed}`", (Edit(inner.span, fixed),)),),
        )
        return None
    return Apply("exp", (typed.term,), span=expr.span)


def where_factor(checker: TypeScope, expr: tree.Call) -> Term | None:
    inner = single_argument(checker, expr)
    if inner is None:
        return None
    typed = checker.value(inner)
    if not typed.ok:
        return None
    if typed.type.name != "Bool":
        checker.error(
            "P0310",
            f"`where` takes a condition, and this is {describe(typed.type)}",
            inner.span,
        )
        return None
    if typed.type.sizes:
        checker.error(
            "P0310",
            f"`where` takes one condition, and this is one for each of {component_count(typed)} "
            "components",
            inner.span,
            notes=("write one for each and join them: `x[0] > 0 and x[1] > 0`",),
        )
        return None
    return Apply("where", (typed.term,), span=expr.span)


def component_count(typed: Typed) -> str:
    return "its" if typed.type.count is None else str(typed.type.count)
