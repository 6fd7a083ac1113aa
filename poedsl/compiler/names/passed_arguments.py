"""Arguments that calls pass to the experts that a program defines."""

from __future__ import annotations

from dataclasses import dataclass

from poedsl.grammar import tree
from poedsl.grammar.source import Span


@dataclass(frozen=True, slots=True)
class PassedArgument:
    """An argument of a definition.

    Attributes:
        ambient: whether the call left it out, so that the program's own name stands for it.
        place: of the statement with the call.
        binders: the comprehensions around the call: their names, and what those run over.
    """

    expert: str
    parameter: tree.Parameter
    value: tree.Expr
    ambient: bool
    place: Span
    binders: tuple[tuple[tree.Name, tree.Expr], ...] = ()
