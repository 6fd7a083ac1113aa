"""Whether a text wants more lines: what a prompt asks when a line is entered."""

from __future__ import annotations

from poedsl.grammar import tree
from poedsl.grammar.logical_lines import Line, read_line
from poedsl.grammar.parsing.parser import is_prefix, parse
from poedsl.grammar.source import Source
from poedsl.grammar.tokens import INDENT

#: A statement that is right wherever one can stand.
_ANY = "x : Real"


def is_incomplete(text: str) -> bool:
    """Whether the text is the beginning of a program, and its last statement has not ended.

    That is where a bracket is open, where a `for` has no block yet, and in a block, which ends with
    an empty line. A text that is already wrong is not incomplete.
    """
    line = _last(text)
    if line is None:
        return False
    before = text[: line.span.start]
    if line.open:
        return not line.faults and is_prefix(text, line.span) and _is_right(before + _ANY)
    if text[line.span.start : line.span.end].endswith(":"):
        end = text[: line.span.end]
        return _is_right(f"{end}\n{line.indent}{INDENT}{_ANY}")
    ended = not text.rpartition("\n")[2].strip()
    return not ended and _in_block(text, line)


def _last(text: str) -> Line | None:
    """The last logical line."""
    last, line = None, read_line(text, 0)
    while line is not None:
        last, line = line, read_line(text, line.after)
    return last


def _is_right(text: str) -> bool:
    return not parse(Source(text))[1]


def _in_block(text: str, line: Line) -> bool:
    program, diagnostics = parse(Source(text))
    if diagnostics:
        return False
    match program.statements[-1]:
        case tree.For(span=span):
            return line.span.start > span.start
        case _:
            return False
