"""Warnings about inputs and experts that nothing uses."""

from __future__ import annotations

from poedsl.compiler.names.resolve_products import resolve_product
from poedsl.compiler.names.scope import NameScope
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Diagnostic


def resolve_unused_definition(scope: NameScope, definition: tree.ExpertDefinition) -> None:
    """Warn about a definition that is never called, and resolve the names in its body."""
    name = definition.name
    scope.diagnostics.append(
        Diagnostic("P0801", f"the expert `{name.name}` is not used", name.span, "warning")
    )
    inferred, origins, inferred_from = (
        dict(scope.inferred),
        dict(scope.origins),
        dict(scope.inferred_from),
    )
    incomplete = set(scope.incomplete)
    with scope.binding(name.name, *(p.name.name for p in definition.parameters)):
        resolve_product(scope, definition.body, name)
    scope.inferred, scope.origins, scope.inferred_from = inferred, origins, inferred_from
    scope.incomplete = incomplete


def warn_unused(scope: NameScope, program: tree.Program) -> None:
    nouns = {tree.Input: "input", tree.Use: "expert"}
    for statement in program.statements:
        if not isinstance(statement, tree.Input | tree.Use):
            continue
        name = statement.name
        if name.name not in scope.used:
            message = f"the {nouns[type(statement)]} `{name.name}` is not used"
            scope.diagnostics.append(Diagnostic("P0801", message, name.span, "warning"))
