"""The text of a program to which statements are added one by one, and its compilation."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from pathlib import Path

from poedsl.api import registered
from poedsl.compiler.compile import Compiled, compile_source
from poedsl.compiler.typecheck.typed import POISONED, Typed
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Diagnostic, Edit, Fix, Label
from poedsl.grammar.formatting.printer import print_statement
from poedsl.grammar.source import Source, Span
from poedsl.grammar.traversal import names_in
from poedsl.interface.named_values import named_values

#: The name of a draft as a source.
NAME = "<repl>"
#: The number of characters of a statement that are shown in messages.
_SHOWN = 60
#: Errors that later statements can resolve: there is no variable, no expert generates one, or a
#: product is not a density.
_PENDING = frozenset({"P0404", "P0407", "P0408", "P0411"})


@dataclass(frozen=True, slots=True)
class Entry:
    """A statement of a draft, with the comments above and beside it.

    Attributes:
        source: what it was written in.
        text: how it stands in the draft.
        shift: from offsets in the text to offsets in the source.
    """

    statement: tree.Statement
    source: Source
    text: str
    shift: int = 0

    @property
    def declares(self) -> str | None:
        """The name that it declares, which a later declaration replaces; or ``sample``."""
        match self.statement:
            case tree.Factor() | tree.For() | tree.Report():
                return None
            case tree.Sample():
                return "sample"
            case declaration:
                return declaration.name.name

    @property
    def formatted(self) -> str:
        """The text, with the statement in canonical form unless there is a comment in it."""
        span = self.statement.span
        start, end = span.start - self.shift, span.end - self.shift
        source_text = self.text[start:end]
        statement = source_text if "#" in source_text else print_statement(self.statement)
        return f"{self.text[:start]}{statement}{self.text[end:]}"

    @property
    def line(self) -> str:
        """Its first line of code, and how it goes on."""
        span = self.statement.span
        text = self.source.text[span.start : span.end]
        first = text.split("\n")[0].rstrip()[:_SHOWN]
        return first if first == text else f"{first} ..."


def entries(source: Source, program: tree.Program) -> Iterator[Entry]:
    """The statements of a source that was read without errors."""
    start = 0
    last = len(program.statements) - 1
    for index, statement in enumerate(program.statements):
        end = source.text.find("\n", statement.span.end)
        end = len(source.text) if end < 0 or index == last else end
        yield Entry(statement, source, source.text[start:end].rstrip(), start)
        start = end + 1


@dataclass(frozen=True)
class Draft:
    """A program so far.

    Attributes:
        base: the folder that file names in it are relative to.
    """

    entries: tuple[Entry, ...] = ()
    base: Path = Path()

    @cached_property
    def source(self) -> Source:
        return Source("".join(f"{e.text}\n" for e in self.entries), NAME)

    @cached_property
    def compiled(self) -> Compiled:
        return compile_source(self.source, base=self.base, registered=registered())

    @property
    def formatted(self) -> str:
        """The program with its statements in canonical form, and its comments."""
        return "".join(f"{e.formatted}\n" for e in self.entries)

    @property
    def refused(self) -> tuple[Diagnostic, ...]:
        """The errors that no later statement can resolve."""
        return tuple(d for d in self.compiled.diagnostics if d.is_error and not self._pending(d))

    @property
    def notable(self) -> tuple[Diagnostic, ...]:
        """Errors and warnings."""
        return tuple(d for d in self.compiled.diagnostics if d.severity != "note")

    def warnings(self, source: Source) -> tuple[Diagnostic, ...]:
        """Those of a source's statements; what is not used yet may be used later."""
        warnings = (d for d in self.notable if not d.is_error and d.code != "P0801")
        return tuple(
            self.located(d, source) for d in warnings if self._span(d.span, source) is not None
        )

    def _pending(self, d: Diagnostic) -> bool:
        if d.code in _PENDING:
            return True
        entry, _ = self._at(d.span.start)
        match entry.statement:
            case tree.Domain():
                return d.code == "P0309" and d.span.end - d.span.start == _length(entry)
            case tree.Sample():
                return d.code == "P0504" and entry is not self.entries[-1]
            case _:
                return False

    def extended(self, new: tuple[Entry, ...]) -> tuple[Draft, tuple[Entry, ...]]:
        """The draft with statements added, and those that they replace.

        A declaration stands above the first use of its name, and below the names that it uses;
        everything else comes last.
        """
        declared = {e.declares for e in new} - {None}
        replaced = tuple(e for e in self.entries if e.declares in declared)
        remaining = [e for e in self.entries if e not in replaced]
        for entry in new:
            names = names_in(entry.statement)
            used = [i for i, e in enumerate(remaining) if entry.declares in names_in(e.statement)]
            needed = [i for i, e in enumerate(remaining, 1) if e.declares in names]
            remaining.insert(max(used[0], *needed, 0) if used else len(remaining), entry)
        return replace(self, entries=tuple(remaining)), replaced

    def value(self, name: str) -> Typed:
        """What a constant of the draft is."""
        return named_values(self.compiled).get(name, POISONED)

    # Places.

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *accumulate(len(e.text) + 1 for e in self.entries)][: len(self.entries)]

    def _at(self, offset: int) -> tuple[Entry, int]:
        """The statement at an offset, and the offset in what that was written in."""
        index = max(bisect_right(self._starts, offset) - 1, 0)
        entry = self.entries[index]
        place = offset - self._starts[index] + entry.shift
        return entry, min(max(place, 0), len(entry.source.text))

    def _span(self, span: Span, source: Source) -> Span | None:
        """A span as one of a source; None where it lies in another."""
        entry, start = self._at(span.start)
        return Span(start, self._at(span.end)[1]) if entry.source is source else None

    def _elsewhere(self, span: Span) -> str:
        entry, start = self._at(span.start)
        line, column = entry.source.location(start)
        return f"`{entry.line}` at {entry.source.name}:{line}:{column}"

    def located(self, d: Diagnostic, source: Source) -> Diagnostic:
        """A diagnostic of the draft as one of the source of some of its statements.

        Labels in other statements become notes.
        """
        notes = list(d.notes)
        span = self._span(d.span, source)
        if span is None:
            notes.insert(0, f"in {self._elsewhere(d.span)}")
            span = Span(0, len(source.text.rstrip()))
        labels = []
        for label in d.labels:
            place = self._span(label.span, source)
            if place is not None:
                labels.append(Label(place, label.text))
            else:
                notes.append(f"{label.text}: {self._elsewhere(label.span)}")
        fixes = tuple(self._fix(f, source) for f in d.fixes)
        return replace(d, span=span, labels=tuple(labels), notes=tuple(notes), fixes=fixes)

    def _fix(self, fix: Fix, source: Source) -> Fix:
        """The fix; without its edits where one is of another source."""
        places = [self._span(e.span, source) for e in fix.edits]
        edits = [Edit(p, e.text) for p, e in zip(places, fix.edits, strict=True) if p is not None]
        return replace(fix, edits=tuple(edits) if len(edits) == len(places) else ())


def _length(entry: Entry) -> int:
    return entry.statement.span.end - entry.statement.span.start
