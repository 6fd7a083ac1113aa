"""Names in products: experts, mixtures, rewards under ``exp``, conditions and powers."""

from __future__ import annotations

from dataclasses import replace

from poedsl.compiler.names.resolve_values import Target, resolve_call, resolve_value
from poedsl.compiler.names.scope import NameScope
from poedsl.grammar import tree
from poedsl.grammar.traversal import operator_chain


def resolve_product(scope: NameScope, expr: tree.Expr, target: Target) -> tree.Expr:
    match expr:
        case tree.Binary(op="*" | "/"):
            first, rest = operator_chain(expr)
            out = resolve_product(scope, first, target)
            for node in rest:
                out = replace(node, left=out, right=resolve_product(scope, node.right, target))
            return out
        case tree.Binary(op="^", left=left, right=right):
            return replace(
                expr,
                left=resolve_product(scope, left, target),
                right=resolve_value(scope, right, target),
            )
        case tree.Call(function=tree.Name(name="mixture"), arguments=arguments):
            return replace(
                expr, arguments=tuple(resolve_component(scope, a, target) for a in arguments)
            )
        case tree.Comprehension(function=tree.Name(name="mixture"), target=loop):
            iterable = resolve_value(scope, expr.iterable)
            with scope.binding(loop.name):
                body = resolve_component(scope, expr.body, target)
            return replace(expr, iterable=iterable, body=body)
        case tree.Call(function=tree.Name(name="exp" | "where"), arguments=arguments):
            return replace(
                expr,
                arguments=tuple(
                    replace(a, value=resolve_value(scope, a.value, target)) for a in arguments
                ),
            )
        case tree.Call(function=function) if function.name in scope.signatures:
            return resolve_call(scope, expr, scope.signatures[function.name], target)
        case _:
            return resolve_value(scope, expr, target)


def resolve_component(scope: NameScope, argument: tree.Argument, target: Target) -> tree.Argument:
    return replace(
        argument,
        value=resolve_product(scope, argument.value, target),
        weight=argument.weight and resolve_value(scope, argument.weight),
    )
