"""What the type checker knows of names, and what it found wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from poedsl.catalog.registry import SIGNATURES
from poedsl.catalog.signatures import Signature
from poedsl.compiler.typecheck.typed import POISONED, Typed
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.source import Source, Span


@dataclass(slots=True)
class Scope:
    """The state of a check.

    Attributes:
        environment: what each name stands for.
        places: where each name got its type.
        variables: the names that are sampled.
        made_up: names that the text does not have.
        speaking_of: the variable whose statement is being checked, where it is on the whole.
        signatures: what calls may name.
    """

    source: Source
    diagnostics: list[Diagnostic] = field(default_factory=list)
    environment: dict[str, Typed] = field(default_factory=dict)
    places: dict[str, Span] = field(default_factory=dict)
    variables: frozenset[str] = frozenset()
    made_up: frozenset[str] = frozenset()
    in_reward: bool = False
    speaking_of: str = ""
    signatures: Mapping[str, Signature] = field(default_factory=lambda: SIGNATURES)

    def error(self, code: str, message: str, span: Span, **more: Any) -> Typed:
        self.diagnostics.append(Diagnostic(code, message, span, **more))
        return POISONED

    @contextmanager
    def scope(self, *bound: str) -> Iterator[None]:
        """What names stand for within is forgotten after: they are then what they were before."""
        hidden = {name: self.environment[name] for name in bound if name in self.environment}
        try:
            yield
        finally:
            for name in bound:
                self.environment.pop(name, None)
            self.environment.update(hidden)

    def text(self, span: Span) -> str:
        return self.source.text[span.start : span.end]

    def value(self, expr: tree.Expr) -> Typed:
        """The typed value of an expression; poisoned where it is wrong and told."""
        raise NotImplementedError
