"""Substitution of names in expressions, without capture by comprehensions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from poedsl.grammar import tree
from poedsl.grammar.traversal import names_in, operator_chain

Change = Callable[[tree.Expr], tree.Expr]


def bind(
    name: tree.Name, fresh: Mapping[str, str], scope: Mapping[str, str]
) -> tuple[tree.Name, dict[str, str]]:
    """The name under which one is bound, and the scope from there on."""
    bound = fresh.get(name.name, name.name)
    return replace(name, name=bound), {**scope, name.name: bound}


def substitute(expr: tree.Expr, values: Mapping[str, tree.Expr | str]) -> tree.Expr:
    """The expression with names replaced; names that a comprehension binds stay.

    Args:
        values: what stands for a name: an expression, or another name at the same place.
    """
    if not values:
        return expr
    match expr:
        case tree.Name(name=name):
            value = values.get(name, name)
            return replace(expr, name=value) if isinstance(value, str) else value
        case tree.Comprehension(target=target, body=body, iterable=iterable):
            inner = inside_binder(values, (target.name,), (body,))
            return replace(
                expr,
                target=replace(target, name=renamed(inner, target.name)),
                body=substitute_argument(body, inner),
                iterable=substitute(iterable, values),
            )
        case tree.Scan(target=target, carries=carries, following=following, iterable=iterable):
            bound = (target.name, *(c.name for c in carries if c.name is not None))
            inner = inside_binder(values, bound, following)
            starts = (substitute_argument(c, values) for c in carries)
            return replace(
                expr,
                target=replace(target, name=renamed(inner, target.name)),
                carries=tuple(replace(c, name=c.name and renamed(inner, c.name)) for c in starts),
                following=tuple(substitute(f, inner) for f in following),
                iterable=substitute(iterable, values),
            )
        case tree.Call(arguments=arguments):
            return replace(expr, arguments=tuple(substitute_argument(a, values) for a in arguments))
        case _:
            return _with_children(expr, lambda e: substitute(e, values))


def inside_binder(
    values: Mapping[str, tree.Expr | str], bound: Iterable[str], bodies: Iterable[tree.Node]
) -> dict[str, tree.Expr | str]:
    """The values of names where some are bound; those that a value uses are renamed."""
    bound = tuple(dict.fromkeys(bound))
    inner = {k: v for k, v in values.items() if k not in bound}
    used = {n for v in inner.values() for n in ({v} if isinstance(v, str) else names_in(v))}
    taken = used | {n for body in bodies for n in names_in(body)} | {*bound}
    for name in bound:
        if name in used:
            inner[name] = unused_name(name, taken)
            taken.add(str(inner[name]))
    return inner


def renamed(values: Mapping[str, tree.Expr | str], name: str) -> str:
    """The name under which one is bound."""
    fresh = values.get(name, name)
    assert isinstance(fresh, str)
    return fresh


def substitute_argument(
    argument: tree.Argument, values: Mapping[str, tree.Expr | str]
) -> tree.Argument:
    weight = argument.weight and substitute(argument.weight, values)
    return replace(argument, value=substitute(argument.value, values), weight=weight)


def unused_name(name: str, used: Iterable[str]) -> str:
    number = 2
    while f"{name}_{number}" in used:
        number += 1
    return f"{name}_{number}"


def rewrite(expr: tree.Expr, change: Change) -> tree.Expr:
    """The expression with ``change`` applied to every part, innermost first."""
    return change(_with_children(expr, lambda e: rewrite(e, change)))


def _with_children(expr: tree.Expr, change: Change) -> tree.Expr:
    """The expression with its direct parts changed, of a long sum or product all its sides."""
    match expr:
        case tree.List(items=items):
            return replace(expr, items=tuple(map(change, items)))
        case tree.Unary(operand=operand):
            return replace(expr, operand=change(operand))
        case tree.Binary():
            first, rest = operator_chain(expr)
            out = change(first)
            for node in rest:
                out = replace(node, left=out, right=change(node.right))
            return out
        case tree.Index(value=value, items=items):
            return replace(
                expr, value=change(value), items=tuple(_with_item(i, change) for i in items)
            )
        case tree.Attribute(value=value):
            return replace(expr, value=change(value))
        case tree.Call(arguments=arguments):
            return replace(expr, arguments=tuple(_with_argument(a, change) for a in arguments))
        case tree.Comprehension(body=body, iterable=iterable):
            return replace(expr, body=_with_argument(body, change), iterable=change(iterable))
        case tree.Scan(carries=carries, following=following, iterable=iterable):
            return replace(
                expr,
                carries=tuple(_with_argument(c, change) for c in carries),
                following=tuple(map(change, following)),
                iterable=change(iterable),
            )
        case _:
            return expr


def _with_argument(argument: tree.Argument, change: Change) -> tree.Argument:
    weight = argument.weight and change(argument.weight)
    return replace(argument, value=change(argument.value), weight=weight)


def _with_item(item: tree.Expr | tree.Slice, change: Change) -> tree.Expr | tree.Slice:
    if isinstance(item, tree.Slice):
        start, stop = item.start and change(item.start), item.stop and change(item.stop)
        return replace(item, start=start, stop=stop)
    return change(item)
