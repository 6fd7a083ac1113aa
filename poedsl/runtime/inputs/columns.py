"""Columns of tables: cells to numbers, with the row and the column of every fault."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

#: Cells that stand for a value that is missing, in small letters.
MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "."})
_TRUTH = {"true": 1.0, "1": 1.0, "false": 0.0, "0": 0.0}
_PLAIN = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
#: Types of libraries that stand for a missing value.
_ABSENT = ("NAType", "NaTType")
#: The most rows that a message lists.
_LISTED = 4


class UnfitColumn(Exception):
    """A column or a table that cannot be read as numbers: a code, a message, and notes.

    Attributes:
        table: the table that the message names, if it does.
    """

    def __init__(self, code: str, message: str, *notes: str, table: str = "") -> None:
        super().__init__(message)
        self.code, self.notes, self.table = code, notes, table


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        name: in the header; empty without one.
        table: the name of the file, or what holds the column.
        cells: texts of a file, or an array of numbers or objects.
        lines: the lines of the file that the rows stand in; empty where there are none.
        decimal: the decimal sign of texts, or why it is unknown.
    """

    name: str
    table: str
    cells: Any
    lines: Sequence[int] = ()
    decimal: str | UnfitColumn = "."

    def at(self, row: int) -> str:
        """A row in words, counted from 1."""
        line = f" (line {self.lines[row]})" if self.lines else ""
        return f"row {row + 1}{line}"

    @property
    def described(self) -> str:
        """The column in words."""
        named = f"the column `{self.name}`" if self.name else "a column"
        return f"{named} of {self.table}"


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of the same length; without a header their names are empty."""

    name: str
    columns: tuple[Column, ...]

    @property
    def has_header(self) -> bool:
        return any(c.name for c in self.columns)

    def by_name(self) -> dict[str, Column]:
        """The columns that have a name."""
        return {c.name: c for c in self.columns if c.name}

    def matrix(self, kind: str) -> Any:
        """All columns side by side, (rows, columns); one row or one column alone as a vector.

        Raises:
            UnfitColumn: as `numbers`.
        """
        import numpy as np

        array = np.stack([numbers(c, kind) for c in self.columns], 1)
        return array.reshape(-1) if 1 in array.shape else array


def numbers(column: Column, kind: str) -> Any:
    """The cells as a vector of numbers.

    Args:
        kind: the name of a type: of ``Int`` all are whole, ``Bool`` takes true and false.

    Raises:
        UnfitColumn: a cell is missing, or is no such number.
    """
    import numpy as np

    cells = column.cells
    if isinstance(cells, np.ndarray) and cells.dtype.kind in "fiub":
        refuse_missing(column, np.isnan(cells).nonzero()[0].tolist())
        array = cells
    elif kind != "Bool" and (plain := plain_numbers(cells)) is not None:
        array = plain
    else:
        refuse_missing(column, [i for i, cell in enumerate(cells) if is_missing(cell)])
        array = np.array([_number(column, row, kind) for row in range(len(cells))], dtype=float)
    if kind == "Int":
        for row in (array != np.round(array)).nonzero()[0][:1].tolist():
            raise _unfit(column, row, "whole numbers are wanted", array[row].item())
    return array


def plain_numbers(cells: Any) -> Any:
    """Texts that are all numbers with a decimal point, as a vector; None of all others."""
    import numpy as np

    if not all(isinstance(cell, str) and "_" not in cell for cell in cells):
        return None
    try:
        array = np.array([float(cell) for cell in cells])
    except ValueError:
        return None
    return array if np.isfinite(array).all() else None


def text(column: Column) -> str:
    """The text of a column of one row.

    Raises:
        UnfitColumn: it has several rows, or none.
    """
    if len(column.cells) != 1:
        rows = len(column.cells)
        message = f"one text is wanted, and {column.described} has {rows} rows"
        raise UnfitColumn("P0603", message, table=column.table)
    refuse_missing(column, [0] if is_missing(column.cells[0]) else [])
    return str(column.cells[0])


def is_missing(cell: Any) -> bool:
    """Whether a cell has no value."""
    if isinstance(cell, str):
        return cell.lower() in MISSING
    return cell is None or type(cell).__name__ in _ABSENT or bool(cell != cell)


def refuse_missing(column: Column, rows: Sequence[int]) -> None:
    """Refuse a column with rows that have no value."""
    if not rows:
        return
    shown = ", ".join(column.at(r) for r in rows[:_LISTED])
    more = f" and {len(rows) - _LISTED} more rows" if len(rows) > _LISTED else ""
    raise UnfitColumn(
        "P0608",
        f"{column.described} has no value in {shown}{more}",
        "remove these rows, or make the missing values variables of the program",
        table=column.table,
    )


def _number(column: Column, row: int, kind: str) -> float:
    cell = column.cells[row]
    if kind == "Bool":
        truth = _TRUTH.get(str(cell).lower())
        if truth is None:
            raise _unfit(column, row, "true or false is wanted", cell)
        return truth
    if not isinstance(cell, str):
        try:
            return float(cell)
        except (TypeError, ValueError):
            raise _unfit(column, row, "numbers are wanted", cell) from None
    if "," in cell and looks_numeric(cell):
        if isinstance(column.decimal, UnfitColumn):
            raise column.decimal
        cell = cell.replace(",", ".") if column.decimal == "," else cell
    if not _PLAIN.fullmatch(cell):
        raise _unfit(column, row, "numbers are wanted", cell)
    return float(cell)


def is_number(cell: str) -> bool:
    """Whether a text is a number, with a decimal point or a decimal comma."""
    return _PLAIN.fullmatch(cell.replace(",", ".", 1)) is not None


def looks_numeric(cell: str) -> bool:
    """Whether a text consists of digits and decimal signs."""
    return bool(cell) and cell.strip("+-").replace(",", "").replace(".", "").isdigit()


def _unfit(column: Column, row: int, expected: str, cell: Any) -> UnfitColumn:
    shown = f'"{cell}"' if isinstance(cell, str) else reprlib.repr(cell)
    message = f"{expected}, and {column.at(row)} of {column.described} is {shown}"
    return UnfitColumn("P0602", message, table=column.table)
