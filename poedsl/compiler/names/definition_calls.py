"""Arguments in a call of an expert that the program defines."""

from __future__ import annotations

from collections.abc import Mapping

from poedsl.compiler.names.expansion import Expansion
from poedsl.compiler.names.passed_arguments import PassedArgument
from poedsl.compiler.names.suggestions import similar_name_fix
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Label
from poedsl.grammar.wording import counted_noun


def argument_values(
    expansion: Expansion, call: tree.Call, definition: tree.ExpertDefinition
) -> dict[str, tree.Expr] | None:
    """The value of every parameter, or None where the arguments do not fit."""
    parameters = {p.name.name: p for p in definition.parameters}
    matched = match_definition_arguments(expansion, call, definition.name, parameters)
    if matched is None:
        return None
    out: dict[str, tree.Expr] = {}
    for name, parameter in parameters.items():
        ambient = name not in matched and parameter.default is None
        if name in matched:
            out[name] = matched[name]
        elif parameter.default is not None:
            out[name] = parameter.default
        else:
            called = name if expansion.active else expansion.scope.get(name, name)
            out[name] = tree.Name(name=called, span=call.span)
        expansion.passed.append(
            PassedArgument(
                definition.name.name,
                parameter,
                out[name],
                ambient,
                expansion.place,
                expansion.binders,
            )
        )
    return out


def match_definition_arguments(
    expansion: Expansion,
    call: tree.Call,
    expert: tree.Name,
    parameters: Mapping[str, tree.Parameter],
) -> dict[str, tree.Expr] | None:
    matched: dict[str, tree.Expr] = {}
    names = list(parameters)
    label = (Label(expert.span, "defined here"),)
    before = len(expansion.diagnostics)
    for position, argument in enumerate(call.arguments):
        if argument.weight is not None:
            message = f"an argument of `{expert.name}` has no weight"
            expansion.error("P0301", message, argument.span, labels=label)
            continue
        if argument.name is None and position >= len(names):
            takes = f"`{expert.name}` takes {counted_noun(len(names), 'argument')}"
            expansion.error("P0301", takes, argument.span, labels=label)
            continue
        name = argument.name or names[position]
        if name not in parameters:
            expansion.error(
                "P0301",
                f"`{expert.name}` has no parameter `{name}`",
                argument.name_span,
                labels=label,
                fixes=similar_name_fix(name, argument.name_span, names, "a parameter"),
            )
        elif name in matched:
            expansion.error("P0301", f"`{expert.name}` is given `{name}` twice", argument.span)
        else:
            matched[name] = argument.value
    return matched if len(expansion.diagnostics) == before else None
