"""Types as syntax and back."""

from __future__ import annotations

from collections.abc import Iterator

from poedsl.grammar import tree
from poedsl.grammar.types import Sizes, Type, open_type


def type_expression(type_: Type) -> tree.TypeExpr:
    """A type as syntax; sizes are left out where the name alone says them."""
    if not type_.sizes or type_ == open_type(type_.name):
        return tree.TypeExpr(name=type_.name)
    sizes: Iterator[tree.Expr] = (
        tree.Name(name="_") if s is None else tree.Number(value=s) for s in type_.sizes
    )
    return tree.TypeExpr(name=type_.name, sizes=tuple(sizes))


def sizes_of(type_: tree.TypeExpr) -> Sizes:
    """The sizes of a type as syntax; names among them are open."""
    if type_.sizes is None:
        return open_type(type_.name).sizes
    return tuple(int(s.value) if isinstance(s, tree.Number) else None for s in type_.sizes)
