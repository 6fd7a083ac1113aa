"""Logical lines: the text of a statement, over line breaks inside brackets."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from poedsl.grammar.source import Span

CLOSERS = {"(": ")", "[": "]"}
#: How far out a closing bracket looks for its partner.
MOST_DEPTH = 100
_OPENERS = {closer: opener for opener, closer in CLOSERS.items()}


@dataclass(frozen=True, slots=True)
class LineFault:
    """A bracket or a text that does not come out even.

    ``span`` is the bracket (or the text from its opening quote), ``at`` the place where the reader
    noticed, ``partner`` the opening bracket that a mismatched one closes.
    """

    kind: Literal["text", "stray", "mismatched", "unclosed"]
    span: Span
    at: int
    partner: Span | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A logical line; ``after`` is where the reader looks for the next one.

    ``open`` are the brackets that nothing has closed when the line ends.
    """

    indent: str
    span: Span
    after: int
    open: tuple[Span, ...] = ()
    faults: tuple[LineFault, ...] = ()


_BLANK_LINES = re.compile(r"(?:[ \t\r\f]*(?:#[^\n]*)?\n)*")
_REST_IS_BLANK = re.compile(r"[ \t\r\f]*(?:#[^\n]*)?\Z")
_INDENT = re.compile(r"[ \t\f]*")
# Texts in foreign quotes count as texts here, so that a bracket in one does not count as a bracket.
_PIECE = re.compile(
    r"""(?P<text>"(?:[^"\\\n]|\\[^\n])*"|'[^'\n]*'|“[^”\n]*”)
    |(?P<unclosed>"[^\n]*)
    |(?P<opener>[(\[])
    |(?P<closer>[)\]])
    |(?P<joint>\\[ \t\r]*\n)
    |(?P<break>(?:\#[^\n]*)?(?:\n|\Z))
    """,
    re.VERBOSE,
)
_STATEMENT = re.compile(
    r"""[ \t]*(?:
        (?:use|input|let|expert|sample)[ \t]+[A-Za-z_]
        |[A-Za-z_]\w*[ \t]*(\[[^~\n"'#]*\][ \t]*)?~
    )""",
    re.VERBOSE,
)
_HEADER = re.compile(
    r"[ \t]*for[ \t]+[A-Za-z_]\w*[ \t]+in\b([^\n#]*):[ \t\r]*(?:#[^\n]*)?(?:\n|\Z)"
)


def read_line(text: str, position: int, limit: int | None = None) -> Line | None:
    """The first logical line at or after a position (the start of a physical line).

    Inside brackets a line runs on, unless the next physical line can only be a statement.

    Args:
        limit: where the text is taken to end.
    """
    limit = len(text) if limit is None else limit
    blank = _BLANK_LINES.match(text, position, limit)
    position = blank.end() if blank else position
    if _REST_IS_BLANK.match(text, position, limit):
        return None
    indent = _INDENT.match(text, position, limit)
    start = indent.end() if indent else position
    reader = _Reader(text, start, limit)
    after = reader.read()
    if any(f.kind == "unclosed" for f in reader.faults):
        other = _Reader(text, start, limit, strict=True)
        other_after = other.read()
        if other.trouble <= reader.trouble:
            reader, after = other, other_after
    opened = tuple(Span(i, i + 1) for i in reader.open)
    span = Span(start, reader.end)
    return Line(text[position:start], span, after, opened, tuple(reader.faults))


@dataclass(slots=True)
class _Reader:
    """Reads one logical line.

    In ``[f(a]`` either `(` is never closed, or `]` is a slip of the keyboard and closes it; the
    latter where ``strict``. What leaves less unexplained up to the end of the line is more likely.
    """

    text: str
    end: int
    limit: int
    strict: bool = False
    open: list[int] = field(default_factory=list)
    faults: list[LineFault] = field(default_factory=list)

    @property
    def trouble(self) -> int:
        return len(self.open) + len(self.faults)

    def read(self) -> int:
        """Go to the end of the logical line; the offset after its line break."""
        piece_end = self.end
        for match in _PIECE.finditer(self.text, self.end, self.limit):
            if match.lastgroup == "break":
                code = self.text[piece_end : match.start()].rstrip()
                self.end = piece_end + len(code) if code else self.end
                if not self.open or begins_statement(self.text, match.end()):
                    return match.end()
            else:
                self._piece(match)
            piece_end = match.end()
        return self.limit

    def _piece(self, match: re.Match[str]) -> None:
        self.end = match.end()
        match match.lastgroup:
            case "opener":
                self.open.append(match.start())
            case "closer":
                self._close(match.group(), Span(match.start(), match.end()))
            case "unclosed":
                self._unclosed_text(match.group(), match.start())
            case "joint":
                self.end = match.start() + 1
            case _:
                pass

    def _unclosed_text(self, text: str, start: int) -> None:
        """Such a text reaches to the end of its line, and brackets in it were meant as brackets."""
        self.end = start + len(text.rstrip())
        self.faults.append(LineFault("text", Span(start, self.end), start))
        for i, c in enumerate(text, start):
            if c in CLOSERS:
                self.open.append(i)
            elif self.open and c == CLOSERS[self.text[self.open[-1]]]:
                self.open.pop()

    def _close(self, closer: str, span: Span) -> None:
        opener = _OPENERS[closer]
        if not self.open:
            self.faults.append(LineFault("stray", span, span.start))
        elif self.text[self.open[-1]] == opener:
            self.open.pop()
        elif not self.strict and self._holds(opener):
            while self.text[self.open[-1]] != opener:
                inner = self.open.pop()
                self.faults.append(LineFault("unclosed", Span(inner, inner + 1), span.start))
            self.open.pop()
        else:
            partner = self.open.pop()
            pair = Span(partner, partner + 1)
            self.faults.append(LineFault("mismatched", span, span.start, pair))

    def _holds(self, opener: str) -> bool:
        """Whether a bracket of a kind is open; one among very many others does not count."""
        return any(self.text[i] == opener for i in self.open[-MOST_DEPTH:])


def begins_statement(text: str, position: int) -> bool:
    """Whether the physical line at a position can be nothing but the beginning of a statement."""
    begin = _STATEMENT.match(text, position) or _HEADER.match(text, position)
    if begin is None:
        return False
    depth = 0
    for piece in _PIECE.finditer(begin.group(1) or ""):
        for c in piece.group() if piece.lastgroup != "text" else "":
            depth += (c in CLOSERS) - (c in _OPENERS)
            if depth < 0:
                return False
    return depth == 0
