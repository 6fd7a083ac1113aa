"""Declarations of a program, collected before names are resolved.

A suggestion can then name what is declared further below.
"""

from __future__ import annotations

from collections.abc import Iterable

from poedsl.catalog.registry import SIGNATURES
from poedsl.compiler.names.infer_inputs import infer_input
from poedsl.compiler.names.passed_arguments import PassedArgument
from poedsl.compiler.names.scope import NameScope
from poedsl.compiler.names.type_expressions import sizes_of
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Label
from poedsl.grammar.source import Span
from poedsl.grammar.traversal import target_name
from poedsl.grammar.types import RANKS, Type


def declare(scope: NameScope, statements: Iterable[tree.Statement]) -> None:
    for statement in statements:
        match statement:
            case tree.Input(name=name) | tree.Let(name=name):
                if name.name not in scope.declared:
                    scope.data.add(name.name)
                declare_name(scope, name)
            case tree.Use(name=name) | tree.ExpertDefinition(name=name):
                declare_expert(scope, name)
            case tree.Domain(name=name):
                if name.name in scope.domains or name.name not in scope.variables:
                    declare_name(scope, name)
                scope.domains.add(name.name)
                scope.variables.add(name.name)
            case tree.Factor(target=target):
                declare_variable(scope, target_name(target))
            case tree.For(body=body):
                declare(scope, [s for s in body if isinstance(s, tree.Factor | tree.For)])
            case tree.Sample() | tree.Report():
                pass


def declare_expert(scope: NameScope, name: tree.Name) -> None:
    """Declare an expert of the program; it may not have the name of a built-in one."""
    if name.name in SIGNATURES:
        scope.error(
            "P0203",
            f"`{name.name}` is the name of an expert, reward or source already",
            name.span,
            notes=(str(SIGNATURES[name.name]),),
        )
    else:
        declare_name(scope, name)


def declare_variable(scope: NameScope, name: tree.Name) -> None:
    """Declare the target of a statement, unless it is an input or a constant: observed data."""
    if name.name in scope.data:
        return
    if name.name in scope.declared and name.name not in scope.variables:
        scope.error(
            "P0203",
            f"`{name.name}` is not a variable: it has a value already",
            name.span,
            labels=(Label(scope.declared[name.name], "declared here"),),
        )
        return
    scope.declared.setdefault(name.name, name.span)
    scope.variables.add(name.name)


def declare_name(scope: NameScope, name: tree.Name) -> None:
    if name.name in scope.declared:
        report_duplicate(scope, name, scope.declared[name.name])
    else:
        scope.declared[name.name] = name.span


def report_duplicate(scope: NameScope, name: tree.Name, first: Span) -> None:
    scope.error(
        "P0203",
        f"`{scope.renamed.get(name.name, name.name)}` is declared twice",
        name.span,
        labels=(Label(first, "first declared here"),),
    )


def declare_omitted_argument(scope: NameScope, passed: PassedArgument) -> None:
    """A parameter that a call leaves out: an input of its type, unless declared."""
    value, type_ = passed.value, passed.parameter.type
    if not passed.ambient or not isinstance(value, tree.Name):
        return
    scope.omitted[value.name, value.span] = passed.expert
    free = value.name not in scope.declared and value.name not in scope.unreadable
    if free and type_ is not None and type_.name in RANKS:
        infer_input(scope, value, Type(type_.name, sizes_of(type_)), "ambient")
