"""Programs in canonical form, with every comment: what ``poe fmt`` writes.

There is one blank around signs and after commas and none inside brackets; `^` has blanks where the
author wrote them on both sides. Blocks and the insides of brackets are indented by four. Of empty
lines one is kept between statements, and none at the ends of the file. Numbers, texts and brackets
stay as written. Line breaks are decided in `line_breaks`, alignment in `alignment`.
"""

from __future__ import annotations

from collections.abc import Iterator

from poedsl.grammar.errors import PoeError
from poedsl.grammar.formatting.alignment import align
from poedsl.grammar.formatting.line_breaks import OutputLine, lay_out
from poedsl.grammar.formatting.printer import print_program
from poedsl.grammar.formatting.spacing import comments
from poedsl.grammar.logical_lines import Line, read_line
from poedsl.grammar.parsing.parser import parse
from poedsl.grammar.source import Source
from poedsl.grammar.tokens import INDENT

_MARK = "\ufeff"


class FormatError(Exception):
    """The formatted text would not mean the same: a fault of the formatter."""


def format_source(text: str) -> str:
    """The program in canonical form; a byte order mark and Windows' line ends stay.

    Raises:
        PoeError: the text has syntax errors; it carries them.
        FormatError: the result could not be shown to be the same program.
    """
    mark = _MARK if text.startswith(_MARK) else ""
    plain = text.removeprefix(_MARK).replace("\r\n", "\n")
    meaning = _meaning(text)
    out = "".join(f"{line}\n" for line in align(_trimmed(_rows(plain)), plain))
    if _meaning(out) != meaning:
        raise FormatError("the formatted text would not be the same program")
    return mark + (out.replace("\n", "\r\n") if "\r\n" in text else out)


def _meaning(text: str) -> tuple[str, list[str]]:
    source = Source(text)
    program, diagnostics = parse(source)
    if diagnostics:
        raise PoeError(diagnostics, source)
    return print_program(program), list(comments(text))


def _trimmed(rows: Iterator[OutputLine]) -> list[OutputLine]:
    """The rows with single empty lines, and none at the ends."""
    out: list[OutputLine] = []
    for row in rows:
        if row.parts or (out and out[-1].parts):
            out.append(row)
    return out[:-1] if out and not out[-1].parts else out


def _rows(text: str) -> Iterator[OutputLine]:
    """All rows of the file, and each empty line as one."""
    indents: list[str] = []
    position = 0
    while (line := read_line(text, position)) is not None:
        before = indents
        indents = _blocks(indents, line.indent)
        yield from _between(text[position : line.span.start], before, len(indents) - 1)
        *rows, last = lay_out(text, line.span, len(indents) - 1)
        yield from rows
        yield _commented(last, text, line)
        position = line.after
    yield from _between(text[position:], indents, 0)


def _blocks(indents: list[str], indent: str) -> list[str]:
    """The indentations of the blocks that are open at a line."""
    around = [i for i in indents if indent.startswith(i)]
    return around if around[-1:] == [indent] else [*around, indent]


def _commented(row: OutputLine, text: str, line: Line) -> OutputLine:
    """The last row of a statement with the comment behind it."""
    at = text.find("#", line.span.end, line.after)
    return row if at < 0 else row.with_comment(text[at : line.after].rstrip(), at)


def _between(text: str, indents: list[str], least: int) -> Iterator[OutputLine]:
    """The comments and empty lines before a statement.

    A comment belongs to the innermost open block that does not begin to its right, and no further
    out than the statement.
    """
    *lines, rest = text.split("\n")
    for line in (*lines, rest) if rest.strip() else lines:
        comment = line.strip()
        column = len(line) - len(line.lstrip())
        level = max([n for n, i in enumerate(indents) if len(i) <= column], default=0)
        yield OutputLine(INDENT * max(level, least), (comment,)) if comment else OutputLine()
