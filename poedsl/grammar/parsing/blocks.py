"""The lines of a program, read one by one, joined by their indentation to the blocks of ``for``."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import Any

from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.logical_lines import Line
from poedsl.grammar.recovery import messages
from poedsl.grammar.source import Span


@dataclass(frozen=True, slots=True)
class LineReading:
    """A logical line and what was read from it: a node, or why there is none."""

    line: Line
    node: Any = None
    diagnostic: Diagnostic | None = None


def join(
    readings: list[LineReading], text: str
) -> tuple[tuple[tree.Statement, ...], list[Diagnostic]]:
    """The statements with their blocks, and what is wrong with the indentation."""
    blocks = _Blocks(text, _common([r.line.indent for r in readings]))
    for reading in readings:
        blocks.add(reading)
    return blocks.finish(), blocks.diagnostics


def _common(indents: list[str]) -> str:
    """The longest prefix of all: that of the first and the last in order."""
    pairs = zip(min(indents, default=""), max(indents, default=""), strict=False)
    return "".join(a for a, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


@dataclass(slots=True)
class _StatementBlock:
    """Statements of one indentation, under a header (None where it is broken, or at the top)."""

    indent: str
    statements: list[tree.Statement]
    header: tree.For | None = None


@dataclass(slots=True)
class _Blocks:
    """Joins the statements of indented lines to their headers."""

    text: str
    indent: str
    diagnostics: list[Diagnostic] = field(default_factory=list)
    stack: list[_StatementBlock] = field(init=False)
    waiting: LineReading | None = None

    def __post_init__(self) -> None:
        self.stack = [_StatementBlock(self.indent, [])]

    def add(self, reading: LineReading) -> None:
        self._enter(reading)
        if self._is_header(reading):
            self.waiting = reading
        elif reading.node is not None:
            self.stack[-1].statements.append(reading.node)

    def finish(self) -> tuple[tree.Statement, ...]:
        if self.waiting is not None:
            self._no_block(self.waiting, None)
        while len(self.stack) > 1:
            self._leave()
        return tuple(self.stack[0].statements)

    def _is_header(self, reading: LineReading) -> bool:
        """Also for a header that is broken, so that the block below it has one."""
        if reading.node is not None:
            return isinstance(reading.node, tree.For)
        span = reading.line.span
        text = self.text[span.start : span.end]
        return text.lower().startswith(("for ", "for\t")) or text.endswith(":")

    def _enter(self, reading: LineReading) -> None:
        """Open or close blocks until the last one is the line's."""
        line = reading.line
        waiting, self.waiting = self.waiting, None
        top = self.stack[-1].indent
        deeper = line.indent.startswith(top) and line.indent != top
        if waiting is not None and deeper:
            self.stack.append(_StatementBlock(line.indent, [], waiting.node))
            return
        if waiting is not None:
            self._no_block(waiting, line)
        while not line.indent.startswith(self.stack[-1].indent):
            self._leave()
        if line.indent != self.stack[-1].indent:
            if reading.diagnostic is None:
                self._complain(line, deeper)
            self.stack.append(_StatementBlock(line.indent, self.stack[-1].statements))

    def _leave(self) -> None:
        block = self.stack.pop()
        if block.header is not None and block.statements:
            span = block.header.span.to(block.statements[-1].span)
            loop = replace(block.header, body=tuple(block.statements), span=span)
            self.stack[-1].statements.append(loop)

    def _no_block(self, header: LineReading, line: Line | None) -> None:
        if header.node is not None:
            below = None if line is None else line.span.start
            self.diagnostics.append(messages.no_block(header.line.span, below))

    def _complain(self, line: Line, deeper: bool) -> None:
        start = line.span.start
        first = self.text.find("\n", start, line.span.end)
        statement = Span(start, line.span.end if first < 0 else first)
        if deeper:
            extra = Span(start - len(line.indent) + len(self.stack[-1].indent), start)
            self.diagnostics.append(messages.indented(extra, statement))
        else:
            mixed = "\t" in line.indent or "\t" in self.stack[-1].indent
            self.diagnostics.append(messages.uneven(statement, mixed))
