"""Text to tree. Nothing that is written makes it raise: what is wrong comes back as diagnostics."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Diagnostic, Edit
from poedsl.grammar.logical_lines import Line, LineFault, read_line
from poedsl.grammar.parsing import lalr
from poedsl.grammar.parsing.blocks import LineReading, join
from poedsl.grammar.parsing.build_tree import Builder, Group
from poedsl.grammar.recovery import messages
from poedsl.grammar.recovery.invalid_words import InvalidWord
from poedsl.grammar.source import Source, Span
from poedsl.grammar.tokens import Failure, Word, words


def parse(source: Source) -> tuple[tree.Program, tuple[Diagnostic, ...]]:
    """All statements that can be read, and one diagnostic for each that cannot."""
    text = source.text
    readings = []
    position = 1 if text.startswith("\ufeff") else 0
    while (line := read_line(text, position)) is not None:
        readings.append(_read(text, line, "statement"))
        position = readings[-1].line.after
    readings = _mend_continued(readings, text)
    statements, diagnostics = join(readings, text)
    diagnostics += [r.diagnostic for r in readings if r.diagnostic is not None]
    program = tree.Program(statements=statements, span=Span(0, len(text)))
    return program, tuple(sorted(diagnostics, key=lambda d: (d.span.start, d.span.end)))


def parse_expression(source: Source) -> tuple[tree.Expr | None, tuple[Diagnostic, ...]]:
    """One expression; None with a diagnostic where the text is not one."""
    text = source.text
    line = read_line(text, 0)
    if line is None:
        return None, (messages.no_expression(len(text)),)
    if read_line(text, line.after) is not None:
        line = replace(line, span=Span(line.span.start, len(text)), after=len(text))
    reading = _read(text, line, "expr")
    if reading.diagnostic is not None:
        return None, (reading.diagnostic,)
    return reading.node, ()


def is_prefix(text: str, span: Span) -> bool:
    """Whether a statement can begin with the words of a span."""
    try:
        lalr.read(text, span, "statement", Builder)
    except (lalr.ParserStopped, InvalidWord):
        return False
    return True


#: The beginning of a physical line that has code on it, and not a closing bracket first.
_PHYSICAL = re.compile(r"\n([ \t]*)(?=[^ \t\r\n#)\]])")
#: A physical line that declares a variable, rather than being one of several arguments, or that is
#: the header of a block, rather than the end of a comprehension.
_DECLARATION = re.compile(
    r"[A-Za-z_]\w*[ \t]*:(?![^\n#]*,[ \t\r]*(?:[#\n]|\Z))"
    r"|for\b[^\n#]*:[ \t\r]*(?:[#\n]|\Z)"
)


def _parse(text: str, span: Span, start: str) -> Any:
    node = lalr.parse(text, span, start, Builder)
    return node.inner if isinstance(node, Group) else node


def _read(text: str, line: Line, start: str) -> LineReading:
    try:
        return LineReading(line, _parse(text, line.span, start))
    except InvalidWord as error:
        diagnostic: Diagnostic | None = error.diagnostic
        at = error.diagnostic.span.start
    except lalr.ParserStopped as error:
        diagnostic = None
        at = error.at
    limit = _limit(text, line, at)
    if limit is not None:
        shorter = read_line(text, line.span.start, limit)
        if shorter is not None:
            return _read(text, replace(shorter, indent=line.indent), start)
    return LineReading(line, diagnostic=diagnostic or _explain(text, line, at, start))


def _limit(text: str, line: Line, at: int) -> int | None:
    """Where a line with an open bracket rather ends, so that it does not swallow its neighbours.

    That is after a text without a closing quote, which may have hidden the closing bracket, or
    before the first physical line that is not indented below the statement and that the parser did
    not read, or read as ``weight: argument`` where it looks like a declaration.
    """
    if not line.open:
        return None
    texts = [f.span.end for f in line.faults if f.kind == "text"]
    if texts:
        limit = text.find("\n", texts[0]) + 1
        return limit if 0 < limit < line.after else None
    if text.startswith("~", at):  # the statement that it belongs to begins with its line
        at = text.rfind("\n", 0, at) + 1
    for begin in _PHYSICAL.finditer(text, line.span.start, line.span.end):
        if len(begin[1]) <= len(line.indent) and (
            begin.end() >= at or _DECLARATION.match(text, begin.end())
        ):
            return begin.start(1)
    return None


def _explain(text: str, line: Line, at: int, start: str) -> Diagnostic:
    fault = _fault(text, line, at)
    if fault is not None and fault.kind == "text":
        return messages.open_text(fault.span, _close_text(text, line, fault.span, start))
    if fault is not None:
        return messages.mismatched_bracket(fault, text)
    if line.open:
        return _unclosed(text, line, at, start)
    return messages.explain(_failure(text, line, at, start))


def _fault(text: str, line: Line, at: int) -> LineFault | None:
    """The fault of the line that explains why the parser stopped at an offset, if there is one.

    Quotes pair up from the left, so a text without a closing quote explains whatever is odd before
    it on its physical line.
    """
    begin = text.rfind("\n", 0, at) + 1
    for fault in line.faults:
        reach = text.find("\n", begin) if fault.kind == "text" else at
        if fault.at <= (len(text) if reach < 0 else reach):
            return fault
    return None


def _unclosed(text: str, line: Line, at: int, start: str) -> Diagnostic:
    """The fix closes the brackets before the refused word, if that mends the line."""
    before = [w.span.end for w in words(text, Span(line.span.start, at))]
    at = before[-1] if before else line.span.end
    closers = messages.closing(line.open, text)
    mended = f"{text[line.span.start : at]}{closers}{text[at : line.span.end]}"
    edit = Edit(Span(at, at), closers) if _parses(mended, start) else None
    return messages.unclosed(line.open, line.span.end, text, edit)


def _close_text(text: str, line: Line, span: Span, start: str) -> int:
    """Where a quote closes a text: before brackets and commas at its end, if that mends it."""
    for at in range(span.end, max(span.start, span.end - 20), -1):
        if _parses(f'{text[line.span.start : at]}"{text[at : line.span.end]}', start):
            return at
        if text[at - 1] not in ")], ":
            break
    return span.end


def _parses(text: str, start: str) -> bool:
    try:
        _parse(text, Span(0, len(text)), start)
    except (lalr.ParserStopped, InvalidWord):
        return False
    return True


def _failure(text: str, line: Line, at: int, start: str) -> Failure:
    end = line.span.end
    cut = (*words(text, line.span), Word("end", "", Span(end, end)))
    index = next(i for i, w in enumerate(cut) if w.span.end > at or w.kind == "end")
    return Failure(text, cut, index, lalr.accepted(text, Span(line.span.start, at), start, Builder))


def _mend_continued(readings: list[LineReading], text: str) -> list[LineReading]:
    """The readings, with the lines of a statement that runs on without brackets made one again.

    Those are a line and the lines indented below it that are statements together and not alone.
    """
    out: list[LineReading] = []
    index = 0
    while index < len(readings):
        reading = readings[index]
        index += 1
        below = index
        if not isinstance(reading.node, tree.For):
            while below < len(readings) and _is_rest(readings[below], reading):
                below += 1
        if below > index:
            whole = _continued(reading, readings[index:below], text)
            if whole is not None:
                reading, index = whole, below
        out.append(reading)
    return out


def _is_rest(reading: LineReading, above: LineReading) -> bool:
    indent, outer = reading.line.indent, above.line.indent
    return reading.node is None and len(indent) > len(outer) and indent.startswith(outer)


def _continued(first: LineReading, rest: list[LineReading], text: str) -> LineReading | None:
    last = rest[-1].line
    span = first.line.span.to(last.span)
    try:
        node = _parse(text, span, "statement")
    except (lalr.ParserStopped, InvalidWord):
        return None
    line = replace(first.line, span=span, after=last.after)
    end = first.line.span.end
    return LineReading(line, node, messages.continued(end, rest[0].line.span, node))
