"""Warnings about factors that a loop repeats without a change."""

from __future__ import annotations

from collections.abc import Iterator

from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Diagnostic, Label
from poedsl.grammar.source import Span
from poedsl.grammar.traversal import names_in


def warn_repeated_factors(statements: tuple[tree.Statement, ...]) -> list[Diagnostic]:
    """Warnings (P0810) about the ``~`` statements in blocks that do not depend on the element of a
    loop around them, each with the outermost such loop.
    """
    warnings: dict[Span, Diagnostic] = {}
    for loop in _loops(statements):
        name = loop.target
        for factor in _independent(loop.body, {name.name}):
            warning = Diagnostic(
                "P0810",
                f"this statement does not depend on `{name.name}`, and counts again for each "
                "element of the loop",
                factor.span,
                "warning",
                labels=(Label(name.span, "the element"),),
                notes=("it counts once above the loop; a power of it is written with `^`",),
            )
            warnings.setdefault(factor.span, warning)
    return list(warnings.values())


def _loops(statements: tuple[tree.Statement, ...]) -> Iterator[tree.For]:
    """All loops, outer ones first."""
    for statement in statements:
        if isinstance(statement, tree.For):
            yield statement
            yield from _loops(statement.body)


def _independent(
    statements: tuple[tree.Statement, ...], dependent: set[str]
) -> Iterator[tree.Factor]:
    """The ``~`` statements in which none of the names ``dependent`` has a part.

    Constants and the elements of inner loops depend on what they are computed from.
    """
    dependent = set(dependent)
    for statement in statements:
        match statement:
            case tree.Factor() if not names_in(statement) & dependent:
                yield statement
            case tree.Let(name=name, value=value):
                _rebind(dependent, name.name, value)
            case tree.For(target=target, iterable=iterable, body=body):
                inner = set(dependent)
                _rebind(inner, target.name, iterable)
                yield from _independent(body, inner)


def _rebind(dependent: set[str], name: str, value: tree.Expr) -> None:
    """Give a name a new value."""
    if names_in(value) & dependent:
        dependent.add(name)
    else:
        dependent.discard(name)
