"""The state of type checking: the types of names, and the diagnostics so far."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from poedsl.catalog.registry import SIGNATURES
from poedsl.catalog.signatures import Signature
from poedsl.compiler.plan.terms import Value
from poedsl.compiler.typecheck.typed import POISONED, Typed
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.source import Source, Span


@dataclass(slots=True)
class TypeScope(ABC):
    """The state of type checking: what names stand for, and the diagnostics so far.

    Attributes:
        environment: the typed term that each name stands for.
        places: the place from which each name has its type.
        variables: the names that are sampled.
        renamed: names introduced by the expansion, which the text does not contain.
        in_reward: whether the expression is an argument of ``exp``, where rewards may be called.
        target_variable: the variable of the statement being checked, if the statement is about the
            whole of it.
        on_data: whether the statement being checked is about data.
        signatures: the signatures that calls may name.
        known: the values that a name stands for in a loop, where they are constants.
    """

    source: Source
    diagnostics: list[Diagnostic] = field(default_factory=list)
    environment: dict[str, Typed] = field(default_factory=dict)
    places: dict[str, Span] = field(default_factory=dict)
    variables: frozenset[str] = frozenset()
    renamed: frozenset[str] = frozenset()
    in_reward: bool = False
    target_variable: str = ""
    on_data: bool = False
    signatures: Mapping[str, Signature] = field(default_factory=lambda: SIGNATURES)
    known: dict[str, tuple[Value, ...]] = field(default_factory=dict)

    @abstractmethod
    def value(self, expr: tree.Expr) -> Typed:
        """The typed value of an expression; `POISONED` after reporting an error in it."""

    def error(self, code: str, message: str, span: Span, **more: Any) -> Typed:
        self.diagnostics.append(Diagnostic(code, message, span, **more))
        return POISONED

    @contextmanager
    def binding(self, *names: str) -> Iterator[None]:
        """Restore what names stand for when the context ends."""
        hidden = {name: self.environment[name] for name in names if name in self.environment}
        try:
            yield
        finally:
            for name in names:
                self.environment.pop(name, None)
            self.environment.update(hidden)

    @contextmanager
    def knowing(self, name: str, values: Value) -> Iterator[None]:
        """Inside of a loop over constants, the values that a name stands for."""
        if isinstance(values, tuple):
            self.known[name] = values
        yield
        self.known.pop(name, None)

    def text(self, span: Span) -> str:
        return self.source.text[span.start : span.end]

    def signature_of(self, expr: tree.Expr) -> Signature | None:
        return self.signatures.get(expr.function.name) if isinstance(expr, tree.Call) else None
