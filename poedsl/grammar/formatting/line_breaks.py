"""One statement as rows of canonical text: where each row ends, and how far it is indented.

Brackets in which the author broke a line are laid out over several rows: what they hold is
indented, and a row ends where the author ended it, if that is at a comma, an operator, a `for` or a
comment. A statement with a row wider than `MOST` is broken further, until its rows fit in `WIDTH`:
at commas, at a `for`, at the loosest operators, else inside the widest brackets. A value with
operators that stands in no brackets is given some, since lines run on only inside them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise

from poedsl.grammar.formatting.spacing import OPERATORS, Piece, cut, gap, relate
from poedsl.grammar.logical_lines import CLOSERS
from poedsl.grammar.source import Span
from poedsl.grammar.tokens import INDENT

#: A row up to this width is left whole, as the author wrote it.
MOST = 128
#: The width of rows where a statement has to be broken; comments do not count.
WIDTH = 88
#: Rows that begin deeper than this are not broken.
_DEEPEST = 12

#: Signs at which rows may be aligned, in the order in which they can follow each other.
SIGNS = (":", "~", "=", "#")


@dataclass(frozen=True, slots=True)
class OutputLine:
    """A line of output; no parts make an empty line.

    Attributes:
        parts: the text, cut before each sign that may be aligned with that of another row.
        marks: these signs and their offsets in the source, one for each part but the first.
    """

    indent: str = ""
    parts: tuple[str, ...] = ()
    marks: tuple[tuple[str, int], ...] = ()

    def with_comment(self, comment: str, at: int) -> OutputLine:
        return OutputLine(self.indent, (*self.parts, f"  {comment}"), (*self.marks, ("#", at)))


def lay_out(text: str, span: Span, level: int) -> Iterator[OutputLine]:
    """The rows of the statement in a span, in a block of some level."""
    pieces = cut(text, span)
    _adjust_breaks(pieces)
    if max(width for *_, width in _rows(pieces, level)) > MOST:
        pieces = _bracketed(pieces, level)
        _wrap(pieces, level)
    for start, end, depth, _ in _rows(pieces, level):
        if pieces[start].breaks > 1:
            yield OutputLine()
        yield _row(pieces[start:end], INDENT * depth)


def _row(pieces: list[Piece], indent: str) -> OutputLine:
    base = min(p.depth for p in pieces)
    parts, marks = [pieces[0].text], []
    last = -1
    for left, piece in pairwise(pieces):
        rank = _rank(piece, base)
        if rank > last:
            marks.append((SIGNS[rank], piece.at))
            parts.append("")
            last = rank
        parts[-1] += gap(left, piece) + piece.text
    return OutputLine(indent, tuple(parts), tuple(marks))


def _rank(piece: Piece, base: int) -> int:
    if piece.is_comment:
        return SIGNS.index("#")
    aligned = piece.text in SIGNS and piece.depth == base and not piece.role
    return SIGNS.index(piece.text) if aligned else -1


# The breaks that are there.


@dataclass(slots=True)
class _Open:
    """A bracket that is open: whether rows end in it, or in brackets in it, and any commas."""

    index: int
    broken: bool = False
    holds: bool = False
    commas: bool = False


def _adjust_breaks(pieces: list[Piece]) -> None:
    """Drop breaks where rows do not end, and lay out the brackets that have some."""
    open_: list[_Open] = []
    for index, piece in enumerate(pieces):
        left = pieces[index - 1] if index else piece
        if left.is_comment:
            piece.breaks = max(piece.breaks, 1)
        elif not _may_break(left, piece):
            piece.breaks = 0
        if open_ and piece.breaks:
            open_[-1].broken = True
        if piece.text in CLOSERS:
            open_.append(_Open(index))
        elif piece.partner >= 0:
            _close(open_, pieces, index)
        elif piece.text == "," and open_:
            open_[-1].commas = True


def _may_break(left: Piece, right: Piece) -> bool:
    return (
        left.text in (*CLOSERS, ",")
        or right.text in (")", "]", "for")
        or right.is_comment
        or "binary" in (left.role, right.role)
    )


def _close(open_: list[_Open], pieces: list[Piece], index: int) -> None:
    bracket = open_.pop()
    first = pieces[bracket.index + 1]
    if first is pieces[index]:
        first.breaks = 0
    elif bracket.broken or (bracket.holds and bracket.commas):
        _break_open(pieces, bracket.index)
        if open_:
            open_[-1].holds = True
    elif bracket.holds and open_:
        open_[-1].holds = True


def _break_open(pieces: list[Piece], opener: int) -> None:
    first = pieces[opener + 1]
    if not first.is_comment or first.breaks:
        first.breaks = 1
    pieces[pieces[opener].partner].breaks = 1


def _rows(pieces: list[Piece], level: int) -> Iterator[tuple[int, int, int, int]]:
    """Start, end, depth of indentation and width of each row."""
    starts = [0, *(i for i, p in enumerate(pieces) if i and p.breaks), len(pieces)]
    for start, end in pairwise(starts):
        closes = start > 0 and pieces[start].text in (")", "]")
        depth = level - closes
        yield start, end, depth, len(INDENT) * depth + _width(pieces[start:end])
        for piece in pieces[start:end]:
            if piece.partner >= 0:
                opens = piece.text in CLOSERS
                closer = pieces[piece.partner] if opens else piece
                level += (1 if opens else -1) * (closer.breaks > 0)


def _width(pieces: list[Piece]) -> int:
    code = [p for p in pieces if not p.is_comment]
    return sum(len(p.text) for p in code) + sum(len(gap(a, b)) for a, b in pairwise(code))


# More of them.


def _bracketed(pieces: list[Piece], level: int) -> list[Piece]:
    """The pieces, with brackets around a value that could be broken at its operators."""
    outer = [pieces[start].depth for start, *_, width in _rows(pieces, level) if width > WIDTH]
    flat = [i for i, p in enumerate(pieces) if p.depth == 0]
    operators = [i for i in flat if pieces[i].role == "binary"]
    if 0 not in outer or not operators:
        return pieces
    signs = [i for i in flat if pieces[i].text in ("~", "=")]
    if not signs:
        return pieces
    start = signs[0] + 1
    end = next((i for i in flat if pieces[i].text == "given"), len(pieces))
    out = [
        *pieces[:start],
        Piece("sign", "("),
        *pieces[start:end],
        Piece("sign", ")"),
        *pieces[end:],
    ]
    relate(out)
    _break_open(out, start)
    return out


def _wrap(pieces: list[Piece], level: int) -> None:
    """The rows, with every one that is too wide broken."""
    work = list(_rows(pieces, level))
    ends = [0, *accumulate(len(p.text) + len(gap(q, p)) for q, p in pairwise([pieces[0], *pieces]))]
    while work:
        start, end, depth, width = work.pop()
        if width <= WIDTH or depth > _DEEPEST:
            continue
        cuts, deeper = _cuts(pieces, start, end, ends)
        for index in cuts:
            pieces[index].breaks = 1
        if cuts:
            bounds = pairwise([start, *cuts, end])
            for number, (first, last) in enumerate(bounds):
                inner = depth + (deeper and number == 1)
                part = len(INDENT) * inner + _width(pieces[first:last])
                work.append((first, last, inner, part))


def _cuts(pieces: list[Piece], start: int, end: int, ends: list[int]) -> tuple[list[int], bool]:
    """Where to break a row, and whether that is at the ends of a pair of brackets."""
    base = min(p.depth for p in pieces[start:end])
    flat = [i for i in range(start + 1, end) if pieces[i].depth == base]
    at_operators: list[int] = []
    if base > 0:
        commas = [i + 1 for i in flat if pieces[i].text == "," and i + 1 < end]
        commas = [i for i in commas if not pieces[i].is_comment]
        commas = commas or [i for i in flat if pieces[i].text == "for"]
        if commas:
            return commas, False
        operators = [i for i in flat if pieces[i].role == "binary" and i + 1 < end]
        loosest = min((OPERATORS[pieces[i].text] for i in operators), default=0)
        at_operators = [i for i in operators if OPERATORS[pieces[i].text] == loosest]
        if at_operators and not any(pieces[i].text == "=" for i in flat):
            return at_operators, False
    pairs = [
        (i, pieces[i].partner)
        for i in (start, *flat)
        if pieces[i].text in CLOSERS and i + 1 < pieces[i].partner < end
    ]
    if not pairs:
        return at_operators, False
    # Of many that are as wide, one in the middle: a long chain takes few steps.
    opener, closer = max(
        pairs, key=lambda pair: (ends[pair[1]] - ends[pair[0]], -abs(sum(pair) - start - end))
    )
    return [opener + 1, closer], True
