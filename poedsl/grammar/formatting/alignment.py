"""Alignment that the author chose: signs that stand below each other stay so.

Where the `:`, `~`, `=` or comment of a row stood in the same column as that of the row before, they
make one column again, with as few blanks as that takes. An empty line ends a column, and so does
other indentation, except for comments; rows without the sign do not.
"""

from __future__ import annotations

from collections.abc import Iterator

from poedsl.grammar.formatting.line_breaks import SIGNS, OutputLine


def align(rows: list[OutputLine], text: str) -> Iterator[str]:
    """The rows as lines; ``text`` is the source that their marks refer to."""
    cells = [list(row.parts) for row in rows]
    for sign in SIGNS:
        for column in _columns(rows, sign, text):
            ends = [len(rows[i].indent) + sum(map(len, cells[i][:n])) for i, n in column]
            for (i, n), end in zip(column, ends, strict=True):
                cells[i][n - 1] += " " * (max(ends) - end)
    for row, parts in zip(rows, cells, strict=True):
        yield row.indent + "".join(parts)


def _columns(rows: list[OutputLine], sign: str, text: str) -> Iterator[list[tuple[int, int]]]:
    """The rows that have a sign in one column, with the part of each that begins with it."""
    columns: dict[str, tuple[int, list[tuple[int, int]]]] = {}
    done: list[list[tuple[int, int]]] = []
    for index, row in enumerate(rows):
        if not row.parts:
            columns.clear()
        for number, (mark, at) in enumerate(row.marks, 1):
            if mark != sign:
                continue
            key = "" if sign == "#" else row.indent
            place = at - text.rfind("\n", 0, at)
            if key not in columns or columns[key][0] != place:
                columns[key] = (place, [])
                done.append(columns[key][1])
            columns[key][1].append((index, number))
    yield from done
