"""The words, signs and comments of one statement, and the blanks that belong between them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from poedsl.grammar.logical_lines import CLOSERS
from poedsl.grammar.source import Span
from poedsl.grammar.tokens import CONSTANTS, KEYWORDS

_PIECE = re.compile(
    r"""(?P<comment>\#[^\n]*)
    |(?P<text>"(?:[^"\\\n]|\\[^\n])*")
    |(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<sign>[<>]=?|[=!]=|[^ \t\r\n\f])
    """,
    re.VERBOSE,
)
#: Operators at which a row may end, and how tightly they bind.
OPERATORS = {
    **{"or": 0, "and": 1},
    **dict.fromkeys(("<", "<=", ">", ">=", "==", "!="), 2),
    **{"+": 3, "-": 3, "*": 4, "/": 4, "@": 4},
}


@dataclass(slots=True)
class Piece:
    """A word, a sign or a comment.

    Attributes:
        at: its offset in the text; -1 for a bracket that was added.
        breaks: line breaks before it; 2 stands for an empty line and more.
        spaced: whether a blank was written before it.
        depth: how many brackets are open around it; those of a bracket are the ones outside.
        partner: of a bracket, the index of the other one.
        role: ``unary`` or ``binary`` of an operator; ``tight`` of what takes no blanks, ``joined``
            of what takes none before it.
    """

    kind: str
    text: str
    at: int = -1
    breaks: int = 0
    spaced: bool = False
    depth: int = 0
    partner: int = -1
    role: str = ""

    @property
    def is_comment(self) -> bool:
        return self.kind == "comment"

    @property
    def ends_operand(self) -> bool:
        if self.kind == "word":
            return self.text not in KEYWORDS or self.text in CONSTANTS
        return self.kind in ("text", "number") or self.text in (")", "]")


def cut(text: str, span: Span) -> list[Piece]:
    """The pieces of a statement; a comment before a comma goes behind it."""
    pieces: list[Piece] = []
    end = span.start
    for match in _PIECE.finditer(text, span.start, span.end):
        breaks = text.count("\n", end, match.start())
        piece = Piece(
            match.lastgroup or "",
            match.group().rstrip(),
            match.start(),
            min(breaks, 2),
            end < match.start(),
        )
        end = match.end()
        if piece.text == ",":
            _put_comma(pieces, piece)
        else:
            pieces.append(piece)
    relate(pieces)
    return pieces


def _put_comma(pieces: list[Piece], comma: Piece) -> None:
    place = len(pieces)
    while pieces[place - 1].is_comment:
        place -= 1
    pieces.insert(place, comma)
    comma.breaks = 0


def comments(text: str) -> Iterator[str]:
    """All comments of a text, in order."""
    for match in _PIECE.finditer(text):
        if match.lastgroup == "comment":
            yield match.group().rstrip()


def relate(pieces: list[Piece]) -> None:
    """Fill in depths, partners and roles."""
    open_: list[int] = []
    before = Piece("", "")
    for index, piece in enumerate(pieces):
        if piece.text in (")", "]"):
            piece.partner = open_.pop()
            pieces[piece.partner].partner = index
        piece.depth = len(open_)
        if piece.is_comment:
            continue
        after = pieces[index + 1] if index + 1 < len(pieces) else piece
        piece.role = _role(piece, before, after, pieces, open_)
        if piece.text in CLOSERS:
            open_.append(index)
        before = piece


def _role(piece: Piece, before: Piece, after: Piece, pieces: list[Piece], open_: list[int]) -> str:
    match piece.text:
        case "+" | "-":
            return "binary" if before.ends_operand else "unary"
        case "^":
            return "" if piece.spaced and after.spaced else "tight"
        case "(" | "[":
            return "joined" if before.ends_operand else ""
        case ".":
            return "tight"
        case ":":
            return _colon(pieces[0].text, [pieces[i].text for i in open_[-1:]], open_)
        case text:
            return "binary" if text in OPERATORS else ""


def _colon(first: str, bracket: list[str], open_: list[int]) -> str:
    """``x : Real``, ``expert e(a : Real)``; ``for m in c:``, ``mixture(w: A)``; ``x[1:2]``."""
    if bracket == ["["]:
        return "tight"
    if first == "for" and not open_:
        return "joined"
    in_parameters = first == "expert" and open_ == [2]
    return "" if not open_ or in_parameters else "joined"


def gap(left: Piece, right: Piece) -> str:
    """The blanks between two pieces of one row."""
    if right.is_comment:
        return "  "
    if left.text in CLOSERS or right.text in (",", ")", "]"):
        return ""
    if left.text == "," or (left.kind == "number" and right.text == "."):
        return " "
    if left.role in ("tight", "unary") or right.role in ("tight", "joined"):
        return ""
    return " "
