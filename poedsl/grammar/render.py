"""Diagnostics as text: the message, the lines it speaks of, underlined, and what helps."""

from __future__ import annotations

import unicodedata
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby, pairwise

from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.source import NOWHERE, Source, Span

#: Columns of source shown of a line; of a longer one, a window around what is underlined.
WIDTH = 120
TAB = 4
#: A span over more lines than this shows its first two and its last.
MOST_LINES = 4
#: Of more diagnostics than this the first are shown, and the count of all.
MOST_SHOWN = 1000

_STYLES = {
    "error": "1;31",
    "warning": "1;33",
    "note": "1;36",
    "help": "1;36",
    "frame": "1;34",
    "bold": "1",
}


@dataclass(slots=True)
class _Row:
    """A row of output: characters, and stretches of them with a style, the last one on top."""

    text: str = ""
    styles: list[tuple[int, int, str]] = field(default_factory=list)

    def put(self, column: int, text: str, style: str = "") -> _Row:
        stop = column + len(text)
        self.text = f"{self.text[:column]:<{column}}{text}{self.text[stop:]}"
        self.styles.append((column, stop, style))
        return self

    def add(self, text: str, style: str = "") -> _Row:
        return self.put(len(self.text), text, style)

    def join(self, color: bool) -> str:
        text = self.text.rstrip()
        if not color:
            return text
        styles = [""] * len(self.text)
        for first, last, style in self.styles:
            styles[first:last] = [style] * (last - first)
        out, start = [], 0
        for style, run in groupby(styles[: len(text)]):
            stop = start + len(list(run))
            part, start = text[start:stop], stop
            out.append(f"\x1b[{_STYLES[style]}m{part}\x1b[0m" if style else part)
        return "".join(out)


@dataclass(frozen=True, slots=True)
class _Mark:
    """A stretch of one line to underline, by character positions, and what is said of it."""

    start: int
    end: int
    sign: str
    text: str
    style: str


def render_text(diagnostics: Iterable[Diagnostic], source: Source, *, color: bool = False) -> str:
    """The diagnostics in the order given, with a count at the end; nothing for none."""
    diagnostics = tuple(diagnostics)
    shown, left = diagnostics[:MOST_SHOWN], len(diagnostics) - MOST_SHOWN
    parts = ["\n".join(row.join(color) for row in _rows(d, source)) for d in shown]
    if left > 0:
        parts.append(f"... and {left} more; JSON output lists all")
    count = summary(diagnostics)
    return "\n\n".join([*parts, count] if count else parts)


def summary(diagnostics: Iterable[Diagnostic]) -> str:
    """``2 errors, 1 warning``."""
    counts = Counter(d.severity for d in diagnostics)
    parts = [
        f"{counts[s]} {s}{'' if counts[s] == 1 else 's'}" for s in ("error", "warning") if counts[s]
    ]
    return ", ".join(parts)


def _rows(d: Diagnostic, source: Source) -> Iterator[_Row]:
    yield (
        _Row().add(f"{d.severity}[{d.code}]", d.severity).add(f": {_one_line(d.message)}", "bold")
    )
    frame = 0
    if source.text and (d.span != NOWHERE or d.labels):
        marks = _marks(d, source)
        frame = len(str(max(marks)))
        line, column = source.location(_clamp(d.span, source).start)
        yield _arrow(frame, f"{source.name}:{line}:{column}")
        yield from _excerpt(marks, source, frame)
        if d.fixes or d.notes:
            yield _framed(frame)
    elif source.name:
        yield _arrow(frame, source.name)
    for kind, texts in (("help", [f.text for f in d.fixes]), ("note", d.notes)):
        for text in texts:
            yield from _remark(frame, kind, text)


def _arrow(frame: int, place: str) -> _Row:
    return _Row().add(" " * (frame + 1)).add("--> ", "frame").add(_one_line(place))


def _remark(frame: int, kind: str, text: str) -> Iterator[_Row]:
    first, *rest = text.splitlines() or [""]
    row = _Row().add(" " * (frame + 1)).add("= ", "frame").add(f"{kind}: ", kind)
    indent = len(row.text)
    yield row.add(clean(first))
    for line in rest:
        yield _Row().put(indent, clean(line))


def _clamp(span: Span, source: Source) -> Span:
    end = len(source.text)
    return Span(min(max(span.start, 0), end), min(max(span.end, span.start, 0), end))


def _marks(d: Diagnostic, source: Source) -> dict[int, list[_Mark]]:
    """What to underline, by line."""
    out: dict[int, list[_Mark]] = {}
    for label in d.labels:
        _mark(out, _clamp(label.span, source), source, "-", label.text, "frame")
    _mark(out, _clamp(d.span, source), source, "^", d.here, d.severity)
    return out


def _mark(
    out: dict[int, list[_Mark]], span: Span, source: Source, sign: str, text: str, style: str
) -> None:
    first = source.location(span.start)[0]
    last = source.location(max(span.start, span.end - 1))[0]
    numbers = list(range(first, last + 1))
    if len(numbers) > MOST_LINES:
        numbers = [*numbers[:2], last]
    for number in numbers:
        offset = source.line_starts[number - 1]
        line = source.line(number)
        start = max(span.start - offset, 0)
        end = min(span.end - offset, len(line.rstrip()) if number < last else len(line))
        if number > first:
            start = len(line) - len(line.lstrip())
        if number == first or start < end:
            label = text if number == last else ""
            out.setdefault(number, []).append(_Mark(start, max(start, end), sign, label, style))


def _excerpt(marks: dict[int, list[_Mark]], source: Source, frame: int) -> Iterator[_Row]:
    yield _framed(frame)
    for number, following in pairwise([*sorted(marks), 0]):
        line = _Line.of(source.line(number), marks[number])
        yield _framed(frame, str(number)).add(line.text)
        for row in _underlines(line, marks[number]):
            framed = _framed(frame)
            framed.text += row.text
            framed.styles += row.styles
            yield framed
        if following == number + 2:
            yield _framed(frame, str(number + 1)).add(_Line.of(source.line(number + 1), []).text)
        elif following > number + 2:
            yield _Row().add("...", "frame")


def _framed(frame: int, number: str = "") -> _Row:
    return _Row().add(f"{number:>{frame}} | ", "frame")


def _underlines(line: _Line, marks: list[_Mark]) -> Iterator[_Row]:
    """The row of underlines, with the rightmost text beside it and the others below on stalks."""
    placed = sorted(((*line.columns(m), m) for m in marks), key=lambda p: p[:2])
    row = _Row()
    for start, end, mark in sorted(placed, key=lambda p: p[2].sign == "^"):
        row.put(start, mark.sign * (end - start), mark.style)
    *others, (_, end, last) = placed
    if len(row.text) == end:
        row.add(f" {_one_line(last.text)}" if last.text else "", last.style)
    else:
        others = placed
    yield row
    hanging = [(start, mark) for start, _, mark in others if mark.text]
    if hanging:
        yield _stalks(hanging)
    while hanging:
        start, mark = hanging.pop()
        stalks = _stalks([h for h in hanging if h[0] < start])
        yield stalks.put(start, _one_line(mark.text), mark.style)


def _stalks(hanging: list[tuple[int, _Mark]]) -> _Row:
    row = _Row()
    for start, mark in hanging:
        row.put(start, "|", mark.style)
    return row


@dataclass(frozen=True, slots=True)
class _Line:
    """A line as it is shown: tabs expanded, a long one cut to a window.

    ``places`` are the columns of its characters, and of its end, before cutting; the window begins
    at ``left`` and what is shown of it at column ``shift``.
    """

    text: str
    places: tuple[int, ...]
    left: int
    right: int
    shift: int

    @staticmethod
    def of(line: str, marks: list[_Mark]) -> _Line:
        cells, places = _cells(line.rstrip("\r"))
        left, right = _window(places, marks)
        shown = cells[bisect_left(places, left) : bisect_left(places, right)]
        before, after = "…" * (left > 0), "…" * (right < places[-1])
        text = f"{before}{''.join(shown)}{after}".rstrip()
        return _Line(text, places, left, right, len(before))

    def columns(self, mark: _Mark) -> tuple[int, int]:
        """First column of a mark and the one after its last; never empty."""
        start, end = (self._column(i) for i in (mark.start, mark.end))
        return start, max(end, start + 1)

    def _column(self, index: int) -> int:
        place = self.places[min(index, len(self.places) - 1)]
        return min(max(place, self.left), self.right) - self.left + self.shift


@lru_cache(maxsize=8)
def _cells(line: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """What is shown for each character of a line, and the column where it begins."""
    cells, places = [], [0]
    for c in line:
        cell = " " * (TAB - places[-1] % TAB) if c == "\t" else clean(c)
        cells.append(cell)
        places.append(places[-1] + (len(cell) if c == "\t" else _width(cell)))
    return tuple(cells), tuple(places)


def _window(places: tuple[int, ...], marks: list[_Mark]) -> tuple[int, int]:
    """The columns to show of a line."""
    total = places[-1]
    if total <= WIDTH:
        return 0, total
    ends = [places[min(i, len(places) - 1)] for m in marks for i in (m.start, m.end)] or [0]
    first, last = min(ends), max(ends)
    margin = max((WIDTH - (last - first)) // 2, WIDTH // 5)
    left = min(max(first - margin, 0), total - WIDTH) if last > WIDTH - WIDTH // 5 else 0
    left = places[bisect_right(places, left) - 1]
    return left, left + WIDTH


def _width(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def clean(text: str) -> str:
    """The text without characters that a terminal would act on or hide."""
    return text if text.isprintable() else "".join(map(_visible, text))


def _visible(c: str) -> str:
    if c.isprintable():
        return c
    if ord(c) < 0x20:
        return chr(0x2400 + ord(c))
    return " " if unicodedata.category(c) == "Zs" else "\ufffd"


def _one_line(text: str) -> str:
    return clean(" ".join(text.splitlines()))
