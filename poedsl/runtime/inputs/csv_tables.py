"""Tables of CSV files: separators, headers, quotes, comments and decimal signs.

Cells are separated by tabs, semicolons or commas, whichever of these the first line has, and may
be in double quotes (Shafranovich, RFC 4180, 2005). Lines that begin with `#` are comments, and
empty lines are left out.
"""

from __future__ import annotations

import csv
import re
from collections import Counter

from poedsl.runtime.inputs.columns import (
    MISSING,
    Column,
    Table,
    UnfitColumn,
    is_number,
    looks_numeric,
)

_QUOTED = re.compile(r'"[^"]*"')
#: Digits that may be a number of thousands or have a decimal comma.
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
#: Larger cells than the reader of the library takes by default.
_MOST_CHARACTERS = 2**24


def read_table(text: str, name: str) -> Table:
    """The table of a text.

    Args:
        name: of the file, for messages.

    Raises:
        UnfitColumn: it is empty, has no rows below its header or rows of different lengths, or two
            columns of one name.
    """
    rows, lines = _rows(text, name)
    header = _header(rows[0])
    if header is not None:
        rows, lines = rows[1:], lines[1:]
        _check_header(header, name)
        if not rows:
            raise UnfitColumn("P0611", f"{name} has a header, and no rows below it")
    decimal = decimal_sign(rows, lines)
    columns = [
        Column(title, name, cells, lines, decimal)
        for title, cells in zip(
            header or [""] * len(rows[0]), map(list, zip(*rows, strict=True)), strict=True
        )
    ]
    return Table(name, tuple(columns))


def _rows(text: str, name: str) -> tuple[list[list[str]], list[int]]:
    """The rows with their lines."""
    raw = ["" if t.lstrip().startswith("#") else t for t in text.splitlines()]
    first = next((line for line in raw if line.strip()), None)
    if first is None:
        raise UnfitColumn("P0611", f"{name} is empty")
    bare = _QUOTED.sub("", first)
    separator = next((s for s in "\t;" if s in bare), ",")
    rows: list[list[str]] = []
    lines: list[int] = []
    csv.field_size_limit(_MOST_CHARACTERS)
    reader = csv.reader(raw, delimiter=separator, skipinitialspace=separator != "\t", strict=True)
    begins = 1
    try:
        for row in reader:
            if row and (len(row) > 1 or row[0].strip()):
                rows.append([cell.strip() for cell in row])
                lines.append(begins)
            begins = reader.line_num + 1
    except csv.Error as error:
        raise UnfitColumn("P0611", f"line {reader.line_num} of {name}: {error}") from error
    for row, line in zip(rows, lines, strict=True):
        if len(row) != len(rows[0]):
            raise UnfitColumn(
                "P0611",
                f"the rows of {name} have different lengths: line {lines[0]} has {len(rows[0])} "
                f"cells, and line {line} has {len(row)}",
            )
    return rows, lines


def _header(row: list[str]) -> list[str] | None:
    """The first row if it has names; None if all its cells are numbers or missing."""
    return None if all(is_number(c) or c.lower() in MISSING for c in row) else row


def _check_header(header: list[str], name: str) -> None:
    for title, count in Counter(h for h in header if h).items():
        if count > 1:
            places = [str(i + 1) for i, h in enumerate(header) if h == title]
            raise UnfitColumn(
                "P0611",
                f"{name} has {count} columns named `{title}`: the columns {', '.join(places)}",
            )


def decimal_sign(rows: list[list[str]], lines: list[int]) -> str | UnfitColumn:
    """The decimal sign of the numbers of a table: a comma only if nothing speaks against it."""
    commas, points = [], []
    for row, line in zip(rows, lines, strict=True):
        for cell in row:
            if "," in cell and looks_numeric(cell):
                commas.append((cell, line))
            elif "." in cell and is_number(cell):
                points.append((cell, line))
    if not commas:
        return "."
    odd = next((c for c in commas if not is_number(c[0])), None)
    note = "write decimal points, and no separators of thousands"
    if odd is not None or points:
        (a, line), (b, other) = odd or commas[0], (points or commas)[0]
        message = f'"{a}" in line {line} and "{b}" in line {other} have different decimal signs'
        if not points:
            message = f'"{a}" in line {line} has more than one decimal sign'
        return UnfitColumn("P0611", message, note)
    if all(_GROUPED.fullmatch(cell) for cell, _ in commas):
        cell, line = commas[0]
        other_reading = cell.replace(",", "")
        point = cell.replace(",", ".")
        message = f'"{cell}" in line {line} may be {point} or {other_reading}'
        return UnfitColumn("P0611", message, note)
    return ","
