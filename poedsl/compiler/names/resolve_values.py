"""Names in values, and calls of experts and rewards with every argument written out.

Positional arguments get the names of their parameters. A free name as an argument is an input with
the parameter's type; an omitted argument without a default is the program's name of that parameter.
"""

from __future__ import annotations

from dataclasses import replace

from poedsl.catalog.signatures import Signature, SignatureParameter
from poedsl.compiler.names.infer_inputs import infer_input
from poedsl.compiler.names.match_arguments import SUBJECT, check_required, match_arguments
from poedsl.compiler.names.references import SCAN, check_function_name, resolve_reference
from poedsl.compiler.names.scope import NameScope
from poedsl.compiler.names.suggestions import equivalent_name_fix, similar_name
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Label
from poedsl.grammar.traversal import names_in, operator_chain, target_name

Target = tree.Name | tree.Index


def resolve_value(scope: NameScope, expr: tree.Expr, target: Target | None = None) -> tree.Expr:
    match expr:
        case tree.Name():
            resolve_reference(scope, expr)
            return expr
        case tree.List(items=items):
            return replace(expr, items=tuple(resolve_value(scope, i, target) for i in items))
        case tree.Unary(operand=operand):
            return replace(expr, operand=resolve_value(scope, operand, target))
        case tree.Binary():
            first, rest = operator_chain(expr)
            out = resolve_value(scope, first, target)
            for node in rest:
                out = replace(node, left=out, right=resolve_value(scope, node.right, target))
            return out
        case tree.Comprehension(function=function):
            if function is not None:
                check_function_name(scope, function)
            return resolve_comprehension(scope, expr, target)
        case tree.Scan():
            return resolve_scan(scope, expr, target)
        case tree.Index(value=inner, items=items):
            return replace(
                expr,
                value=resolve_value(scope, inner, target),
                items=tuple(resolve_item(scope, i, target) for i in items),
            )
        case tree.Attribute(value=inner):
            return replace(expr, value=resolve_value(scope, inner, target))
        case tree.Call(function=function) if function.name in scope.signatures:
            return resolve_call(scope, expr, scope.signatures[function.name], target)
        case tree.Call(function=function, arguments=arguments):
            check_function_name(scope, function)
            return replace(
                expr,
                arguments=tuple(
                    replace(a, value=resolve_value(scope, a.value, target)) for a in arguments
                ),
            )
        case _:
            return expr


def resolve_comprehension(
    scope: NameScope, expr: tree.Comprehension, target: Target | None
) -> tree.Expr:
    iterable = resolve_value(scope, expr.iterable, target)
    with scope.binding(expr.target.name):
        body = replace(
            expr.body,
            value=resolve_value(scope, expr.body.value, target),
            weight=expr.body.weight and resolve_value(scope, expr.body.weight, target),
        )
    return replace(expr, iterable=iterable, body=body)


def resolve_scan(scope: NameScope, expr: tree.Scan, target: Target | None) -> tree.Expr:
    """A scan: what it runs over and its starts see the names outside, its next values all."""
    if expr.function.name != SCAN:
        message = f"`{expr.function.name}` carries no values from one element to the next"
        fix = equivalent_name_fix(expr.function.span, SCAN)
        scope.error("P0202", message, expr.function.span, fixes=(fix,))
    iterable = resolve_value(scope, expr.iterable, target)
    carries = tuple(replace(c, value=resolve_value(scope, c.value, target)) for c in expr.carries)
    with scope.binding(expr.target.name, *(c.name for c in carries if c.name is not None)):
        following = tuple(resolve_value(scope, f, target) for f in expr.following)
    return replace(expr, iterable=iterable, carries=carries, following=following)


def resolve_item(
    scope: NameScope, item: tree.Expr | tree.Slice, target: Target | None
) -> tree.Expr | tree.Slice:
    if isinstance(item, tree.Slice):
        return replace(
            item,
            start=item.start and resolve_value(scope, item.start, target),
            stop=item.stop and resolve_value(scope, item.stop, target),
        )
    return resolve_value(scope, item, target)


def resolve_call(
    scope: NameScope, call: tree.Call, signature: Signature, target: Target | None
) -> tree.Call:
    scope.used.add(signature.name)
    matched = match_arguments(scope, call, signature)
    if matched is None:
        scope.used |= names_in(call)
        if target is not None:
            scope.incomplete.add(target_name(target).name)
        return replace(call, arguments=())
    arguments: list[tree.Argument] = []
    for parameter in signature.parameters:
        if parameter.name in matched:
            argument = matched[parameter.name]
            value = resolve_argument(scope, argument.value, parameter, target)
            if value is not None:
                arguments.append(replace(argument, name=parameter.name, value=value))
        elif parameter.ambient and signature.family != "density":
            arguments += ambient_input(scope, call, signature, parameter)
    check_required(scope, call, signature, matched)
    if signature.family == "reward":
        arguments.append(reward_subject(scope, matched, target))
    return replace(call, arguments=tuple(arguments))


def resolve_argument(
    scope: NameScope, value: tree.Expr, parameter: SignatureParameter, target: Target | None
) -> tree.Expr | None:
    """The value of an argument, or None when its name is used with another type elsewhere.

    A free name is an input with the parameter's type, unless it is similar to a declared name.
    """
    free = (
        isinstance(value, tree.Name)
        and value.name not in scope.declared
        and value.name not in scope.visible
        and value.name not in scope.unreadable
    )
    if not free or parameter.type is None or not isinstance(value, tree.Name):
        return resolve_value(scope, value, target)
    if value.name not in scope.inferred and similar_name(value.name, scope.declared):
        resolve_reference(scope, value)
        return value
    return value if infer_input(scope, value, parameter.type, "inferred") else None


def ambient_input(
    scope: NameScope, call: tree.Call, signature: Signature, parameter: SignatureParameter
) -> list[tree.Argument]:
    """The program's input of the parameter's name, which is one from here on if it was none."""
    name = tree.Name(name=parameter.name, span=call.function.span)
    scope.used.add(name.name)
    subject = f"`{signature.name}` takes `{name.name}` from the program, where it is"
    if name.name in scope.variables:
        scope.error(
            "P0301",
            f"{subject} a variable",
            call.span,
            notes=(f"{signature}", f"give it: `{signature.name}({name.name} = ...)`"),
        )
        return []
    if name.name in scope.declared and name.name not in scope.visible:
        scope.error(
            "P0204",
            f"{subject} declared below",
            call.span,
            labels=(Label(scope.declared[name.name], "declared here"),),
        )
        return []
    if name.name not in scope.declared and name.name not in scope.unreadable:
        assert parameter.type is not None
        if not infer_input(scope, name, parameter.type, "ambient"):
            return []
    return [tree.Argument(value=name, name=parameter.name, span=call.span)]


def reward_subject(
    scope: NameScope, matched: dict[str, tree.Argument], target: Target | None
) -> tree.Argument:
    if SUBJECT in matched:
        return replace(matched[SUBJECT], value=resolve_value(scope, matched[SUBJECT].value, target))
    value: tree.Expr = target if target is not None else tree.Nothing()
    return tree.Argument(value=value, name=SUBJECT)
