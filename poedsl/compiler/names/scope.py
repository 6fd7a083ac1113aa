"""The state of name resolution: names in scope, inferred inputs and diagnostics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from poedsl.catalog.signatures import Signature
from poedsl.compiler.names.passed_arguments import PassedArgument
from poedsl.compiler.plan.plan_parts import Origin
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.source import Span


@dataclass(slots=True)
class NameScope:
    """The state of name resolution: the names in scope and the diagnostics so far.

    Attributes:
        strict: refuse inputs that are not declared.
        unreadable: names in lines with a syntax error, about which nothing is reported.
        start: the offset at which the program begins, where declarations are inserted.
        indent: the indentation of the program's lines.
        signatures: the experts, rewards and sources that calls may name.
        used: names that are referenced.
        definitions: experts defined by the program; their calls have been expanded.
        renamed: names introduced by the expansion, each with the name in the text.
        declared: every declared name, with its place.
        data: names of inputs and constants, which may be observed.
        visible: names declared so far, loop variables among them.
        incomplete: variables with a statement that has an error.
        inferred: inputs that are not declared, by name.
        inferred_from: the place from which each inferred input has its type.
        omitted: arguments omitted in a call of one of the program's experts, with that expert.
        origins: for each inferred input how and where it was inferred.
        passed: the arguments of the program's experts, by statement.
        resolved_arguments: the arguments whose parameters have a type, resolved.
    """

    strict: bool
    unreadable: frozenset[str]
    start: int
    indent: str
    signatures: Mapping[str, Signature]
    used: set[str]
    definitions: frozenset[str] = frozenset()
    renamed: Mapping[str, str] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    declared: dict[str, Span] = field(default_factory=dict)
    data: set[str] = field(default_factory=set)
    visible: set[str] = field(default_factory=set)
    variables: set[str] = field(default_factory=set)
    domains: set[str] = field(default_factory=set)
    incomplete: set[str] = field(default_factory=set)
    inferred: dict[str, tree.Input] = field(default_factory=dict)
    inferred_from: dict[str, Span] = field(default_factory=dict)
    omitted: dict[tuple[str, Span], str] = field(default_factory=dict)
    origins: dict[str, tuple[Origin, Span]] = field(default_factory=dict)
    passed: dict[Span, list[PassedArgument]] = field(default_factory=dict)
    resolved_arguments: list[PassedArgument] = field(default_factory=list)

    def error(self, code: str, message: str, span: Span, **more: Any) -> None:
        self.diagnostics.append(Diagnostic(code, message, span, **more))

    @contextmanager
    def binding(self, *names: str) -> Iterator[None]:
        """Make names visible inside a comprehension or a block only."""
        added = {n for n in names if n not in self.visible}
        self.visible |= added
        yield
        self.visible -= added
