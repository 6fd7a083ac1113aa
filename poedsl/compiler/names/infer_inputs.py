"""Free names that become inputs with the type of the parameter they are passed to."""

from __future__ import annotations

from dataclasses import replace

from poedsl.compiler.names.scope import NameScope
from poedsl.compiler.names.suggestions import is_typo
from poedsl.compiler.names.type_expressions import sizes_of, type_expression
from poedsl.compiler.plan.plan_parts import Origin
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Diagnostic, Edit, Fix, Label
from poedsl.grammar.source import Span
from poedsl.grammar.types import Type, unify


def infer_input(scope: NameScope, name: tree.Name, type_: Type, origin: Origin) -> bool:
    """Make a free name an input; returns whether its uses agree on the type."""
    earlier = scope.inferred.get(name.name)
    if earlier is not None:
        previous = Type(earlier.type.name, sizes_of(earlier.type))
        common = unify(previous, type_)
        if common is None:
            scope.error(
                "P0302",
                f"`{name.name}` is taken as {type_} here and as {previous} elsewhere",
                name.span,
                labels=(Label(scope.inferred_from[name.name], f"{previous} here"),),
            )
        elif common != previous:
            scope.inferred[name.name] = replace(earlier, type=type_expression(common))
            scope.inferred_from[name.name] = name.span
        return common is not None
    if scope.strict:
        declared = f"input {name.name} : {type_}"
        edits = (Edit(Span(scope.start, scope.start), f"{declared}\n{scope.indent}"),)
        fixes = (Fix(f"declare it above: `{declared}`", edits),)
        scope.error("P0205", f"`{name.name}` is not declared", name.span, fixes=fixes)
    warn_similar_input(scope, name, type_)
    scope.origins[name.name] = (origin, name.span)
    scope.inferred[name.name] = tree.Input(name=name, type=type_expression(type_), span=name.span)
    scope.inferred_from[name.name] = name.span
    scope.used.add(name.name)
    return True


def warn_similar_input(scope: NameScope, name: tree.Name, type_: Type) -> None:
    """Warn about a free name that differs from another one by a likely typo."""
    for other, input_ in scope.inferred.items():
        if input_.type.name == type_.name and is_typo(name.name, other):
            message = f"`{name.name}` and `{other}` are two inputs of nearly the same name"
            fixes = (Fix(f"if they are one, write `{other}`", (Edit(name.span, other),)),)
            label = Label(scope.origins[other][1], f"`{other}` is here")
            scope.diagnostics.append(
                Diagnostic(
                    "P0808",
                    message,
                    name.span,
                    "warning",
                    labels=(label,),
                    notes=("what is meant to be two is declared by `input`",),
                    fixes=fixes,
                )
            )
            return
