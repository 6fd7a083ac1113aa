"""Types of lists."""

from __future__ import annotations

from poedsl.compiler.functions.constants import MOST_NUMBERS
from poedsl.compiler.plan.terms import Apply, Const
from poedsl.compiler.typecheck.scope import TypeScope
from poedsl.compiler.typecheck.typed import POISONED, Typed, as_number, describe
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Label
from poedsl.grammar.source import Span
from poedsl.grammar.types import MOST_SIZES, Type


def list_literal(checker: TypeScope, expr: tree.List) -> Typed:
    items = [checker.value(i) for i in expr.items]
    if not all(i.ok for i in items):
        return POISONED
    if not items:
        return checker.error("P0309", "a list has at least one element", expr.span)
    first = items[0].type
    for item, element in zip(items, expr.items, strict=True):
        if not item.type.is_numeric:
            return checker.error(
                "P0311",
                f"a list holds numbers, and this is {describe(item.type)}",
                element.span,
            )
        if item.type.sizes != first.sizes:
            return checker.error(
                "P0303",
                "the elements of a list have one shape, and these differ",
                expr.span,
                labels=(
                    Label(expr.items[0].span, describe(first)),
                    Label(element.span, describe(item.type)),
                ),
            )
    return stack_elements(checker, items, expr.span)


def stack_elements(checker: TypeScope, items: list[Typed], span: Span) -> Typed:
    """Values of one shape as one value with a size in front."""
    kinds = {i.type.name for i in items}
    if "Bool" in kinds and len(kinds) > 1:
        items = list(map(as_number, items))
        kinds = {i.type.name for i in items}
    name = kinds.pop() if kinds in ({"Int"}, {"Bool"}) else "Real"
    type_ = Type(name, (len(items), *items[0].type.sizes))
    if len(type_.sizes) > MOST_SIZES:
        return checker.error("P0309", f"a value has at most {MOST_SIZES} sizes", span)
    if not all(isinstance(i.term, Const) for i in items):
        return Typed(Apply("list", tuple(i.term for i in items), span=span), type_)
    if exceeds_constant_limit(type_):
        return checker.error("P0306", f"this list has more than {MOST_NUMBERS:,} numbers", span)
    checker.work.add(type_.count or 1, span)
    return Typed(Const(tuple(i.value for i in items), span), type_)


def exceeds_constant_limit(type_: Type) -> bool:
    """Whether a constant of a type is larger than the compiler computes with."""
    return (type_.count or 0) > MOST_NUMBERS
