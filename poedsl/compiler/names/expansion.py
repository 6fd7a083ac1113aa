"""The state of the expansion of definitions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from poedsl.catalog.signatures import Signature
from poedsl.compiler.names.passed_arguments import PassedArgument
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.source import NOWHERE, Span


@dataclass(slots=True)
class Expansion:
    """The state of the expansion of definitions.

    Attributes:
        names: all names that the program contains.
        variables: the program's variables, which a block may not bind.
        definitions: the program's experts, ambient arguments written out in their bodies.
        called: the experts that are called.
        broken: the experts with a call that could not be expanded.
        renamed: names introduced by the expansion, each with the name in the text.
        active: the experts whose bodies are being expanded, outermost first.
        place: the statement that is being expanded.
        scope: the names that stand for those of the program at this place.
        binders: the comprehensions around the expression that is being expanded.
        calls: how many calls have been expanded.
        size: how many nodes the expansion has produced.
    """

    signatures: Mapping[str, Signature]
    names: set[str]
    variables: frozenset[str]
    definitions: dict[str, tree.ExpertDefinition] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    passed: list[PassedArgument] = field(default_factory=list)
    called: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    renamed: dict[str, str] = field(default_factory=dict)
    active: list[str] = field(default_factory=list)
    place: Span = NOWHERE
    scope: Mapping[str, str] = field(default_factory=dict)
    binders: tuple[tuple[tree.Name, tree.Expr], ...] = ()
    calls: int = 0
    size: int = 0

    def error(self, code: str, message: str, span: Span, **more: Any) -> None:
        self.diagnostics.append(Diagnostic(code, message, span, **more))
