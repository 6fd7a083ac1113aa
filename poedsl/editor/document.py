"""A program in an editor: its text, what the compiler makes of it, and what its words refer to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from poedsl.catalog.registry import SIGNATURES
from poedsl.catalog.signatures import Signature
from poedsl.compiler.compile import Compiled, compile_source
from poedsl.compiler.plan.plan_parts import InputSpec
from poedsl.compiler.typecheck.typed import Typed
from poedsl.editor.bindings import occurrences
from poedsl.editor.occurrences import Binding, Occurrence
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.source import Source
from poedsl.interface.named_values import named_values


@dataclass(frozen=True)
class Document:
    """A program as it is typed; everything about it is computed when it is first asked for.

    Attributes:
        name: of the file, for messages.
        base: the folder that file names in it are relative to.
    """

    text: str
    name: str = "<editor>"
    base: Path = Path()

    @cached_property
    def source(self) -> Source:
        return Source(self.text, self.name)

    @cached_property
    def compiled(self) -> Compiled:
        return compile_source(self.source, base=self.base)

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        return self.compiled.diagnostics

    @property
    def is_readable(self) -> bool:
        """Whether names were resolved: a program that nests too deeply is not looked into."""
        return self.compiled.resolved is not None

    @property
    def program(self) -> tree.Program:
        """The statements that could be read; none where they nest too deeply."""
        return self.compiled.tree if self.is_readable else tree.Program(statements=())

    @cached_property
    def signatures(self) -> Mapping[str, Signature]:
        """The experts, rewards and sources that the program may call."""
        resolved = self.compiled.resolved
        return SIGNATURES if resolved is None else resolved.signatures

    @cached_property
    def inputs(self) -> dict[str, InputSpec]:
        checked = self.compiled.checked
        return {} if checked is None else {i.name: i for i in checked.inputs}

    @cached_property
    def values(self) -> dict[str, Typed]:
        """The type, and of a constant the value, of the names of the program."""
        return named_values(self.compiled)

    @cached_property
    def occurrences(self) -> tuple[Occurrence, ...]:
        return occurrences(self.program, self.inputs)

    @cached_property
    def definitions(self) -> dict[str, tree.ExpertDefinition]:
        """The experts that the program defines."""
        statements = (s for s in self.program.statements if isinstance(s, tree.ExpertDefinition))
        return {s.name.name: s for s in statements}

    def at(self, offset: int) -> Occurrence | None:
        """The word at an offset, or that ends there."""
        for occurrence in self.occurrences:
            if occurrence.span.start <= offset < occurrence.span.end:
                return occurrence
        return next((o for o in self.occurrences if o.span.end == offset), None)

    def of(self, binding: Binding) -> tuple[Occurrence, ...]:
        """The occurrences of a name."""
        return tuple(o for o in self.occurrences if o.binding is binding)

    def visible(self, offset: int) -> dict[str, Binding]:
        """The names that can be written at an offset; the innermost where several have one name."""
        indent = len(self.source.indent(offset))
        around: dict[str, Binding] = {}
        for binding in dict.fromkeys(o.binding for o in self.occurrences if o.binding is not None):
            scope = binding.scope
            if not scope.start <= offset <= scope.end or binding.kind in ("unknown", "report"):
                continue
            if self.text.startswith("for", scope.start) and binding.kind in ("element", "constant"):
                line = self.source.location(offset)[0]
                header = self.source.location(scope.start)[0]
                if line != header and indent <= len(self.source.indent(scope.start)):
                    continue
            shadowed = around.get(binding.name)
            if shadowed is None or shadowed.scope.start <= scope.start:
                around[binding.name] = binding
        return around
