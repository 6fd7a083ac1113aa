"""The left side of ``~``, with its type."""

from __future__ import annotations

from dataclasses import dataclass

from poedsl.compiler.plan.terms import Ref
from poedsl.compiler.typecheck.typed import Typed
from poedsl.grammar.source import Span


@dataclass(frozen=True, slots=True)
class TypedTarget:
    """What the left side of ``~`` names: a variable or data, or a part of it, with its type.

    Attributes:
        variable: the name of the variable, or of the data.
        observed: whether it is data.
    """

    variable: str
    typed: Typed
    span: Span
    observed: bool = False

    @property
    def whole(self) -> bool:
        return isinstance(self.typed.term, Ref)
