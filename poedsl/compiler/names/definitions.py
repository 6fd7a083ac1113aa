"""Definitions of experts: collected, with the ambient arguments of their bodies written out."""

from __future__ import annotations

from dataclasses import replace

from poedsl.catalog.registry import SIGNATURES
from poedsl.compiler.names.expansion import Expansion
from poedsl.compiler.names.substitution import rewrite
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Edit, Fix, Label
from poedsl.grammar.source import Span


def add_definition(expansion: Expansion, definition: tree.ExpertDefinition) -> bool:
    """Whether this is the first definition of its name; a built-in name's is not unfolded."""
    name = definition.name
    if name.name in SIGNATURES:
        return True
    if name.name in expansion.definitions:
        first = expansion.definitions[name.name].name.span
        labels = (Label(first, "first defined here"),)
        expansion.error("P0203", f"`{name.name}` is defined twice", name.span, labels=labels)
        return False
    places: dict[str, Span] = {}
    for parameter in definition.parameters:
        parameter_name = parameter.name
        if parameter_name.name in places:
            expansion.error(
                "P0203",
                f"`{name.name}` has two parameters named `{parameter_name.name}`",
                parameter_name.span,
                labels=(Label(places[parameter_name.name], "the first one"),),
            )
        places.setdefault(parameter_name.name, parameter_name.span)
    body = write_out_ambient(expansion, definition.body, set(places), definition)
    expansion.definitions[name.name] = replace(definition, body=body)
    return True


def write_out_ambient(
    expansion: Expansion, expr: tree.Expr, parameters: set[str], definition: tree.ExpertDefinition
) -> tree.Expr:
    """The body with the arguments that its experts take from the parameters written out."""

    def filled(node: tree.Expr) -> tree.Expr:
        if not isinstance(node, tree.Call):
            return node
        signature = expansion.signatures.get(node.function.name)
        if signature is None or signature.family == "density":
            return node
        names = [p.name for p in signature.parameters]
        passed = {a.name for a in node.arguments if a.name} | set(
            names[: sum(a.name is None for a in node.arguments)]
        )
        more: list[tree.Argument] = []
        for parameter in signature.parameters:
            if not parameter.ambient or parameter.name in passed:
                continue
            if parameter.name not in parameters:
                report_missing_parameter(expansion, node, parameter.name, definition)
            value = tree.Name(name=parameter.name, span=node.span)
            more.append(tree.Argument(value=value, name=parameter.name, span=node.span))
        return replace(node, arguments=(*node.arguments, *more))

    return rewrite(expr, filled)


def report_missing_parameter(
    expansion: Expansion, call: tree.Call, name: str, definition: tree.ExpertDefinition
) -> None:
    expert = definition.name.name
    end = definition.parameters[-1].span.end if definition.parameters else None
    fixes = (
        (Fix(f"make it a parameter of `{expert}`", (Edit(Span(end, end), f", {name}"),)),)
        if end
        else ()
    )
    expansion.error(
        "P0209",
        f"`{call.function.name}` takes `{name}`, and `{expert}` has no parameter of that name",
        call.span,
        labels=(Label(definition.name.span, f"`{expert}` is defined here"),),
        notes=("inside a definition, arguments left out come from its parameters only",),
        fixes=fixes,
    )
