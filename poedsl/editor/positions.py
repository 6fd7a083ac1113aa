"""Positions of the language server protocol, and offsets into a text.

A position is a line and a number of code units of its text before it. The units are those of
UTF-16, or of UTF-8 or UTF-32 where client and server have agreed on them.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

Encoding = Literal["utf-8", "utf-16", "utf-32"]

_LINE_END = re.compile(r"\r\n|\n|\r")


def units(text: str, encoding: Encoding) -> int:
    """The number of code units of a text, which may hold halves of surrogate pairs."""
    if encoding == "utf-32" or text.isascii():
        return len(text)
    if encoding == "utf-16":
        return len(text.encode("utf-16-le", "surrogatepass")) // 2
    return len(text.encode("utf-8", "surrogatepass"))


@dataclass(frozen=True)
class Positions:
    """The lines of a text; a line ends as the protocol says, also at a carriage return alone."""

    text: str
    encoding: Encoding = "utf-16"

    @cached_property
    def _lines(self) -> tuple[list[int], list[int]]:
        """Where each line starts, and where it ends without its line break."""
        breaks = [match.span() for match in _LINE_END.finditer(self.text)]
        return [0, *(end for _, end in breaks)], [*(start for start, _ in breaks), len(self.text)]

    def position(self, offset: int) -> tuple[int, int]:
        """The line and the column, counted from 0, of an offset."""
        starts, ends = self._lines
        line = bisect_right(starts, offset) - 1
        return line, units(self.text[starts[line] : min(offset, ends[line])], self.encoding)

    def offset(self, line: int, column: int) -> int:
        """The offset of a position; one behind the end of a line or of the text is that end."""
        starts, ends = self._lines
        if line >= len(starts):
            return len(self.text)
        content = self.text[starts[line] : ends[line]]
        if self.encoding == "utf-32" or content.isascii():
            return starts[line] + min(column, len(content))
        for index, character in enumerate(content):
            width = units(character, self.encoding)
            if column < width:
                return starts[line] + index
            column -= width
        return ends[line]
