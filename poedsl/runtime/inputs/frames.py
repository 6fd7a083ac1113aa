"""Data frames of pandas, polars and pyarrow, and Parquet files, as tables."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from poedsl.catalog.installation import install_command
from poedsl.compiler.plan.plan_parts import InputSpec
from poedsl.grammar.errors import PoeError
from poedsl.grammar.limits import excess
from poedsl.runtime.inputs.columns import Column, Table, UnfitColumn, numbers, text

#: How each library gives a column by its position.
_COLUMN: dict[str, Callable[[Any, int], Any]] = {
    "pandas": lambda frame, i: frame.iloc[:, i],
    "polars": lambda frame, i: frame.to_series(i),
    "pyarrow": lambda frame, i: frame.column(i),
}


def _library(value: Any) -> str:
    return type(value).__module__.partition(".")[0]


def is_frame(value: Any) -> bool:
    """Whether a value is a data frame of pandas or polars, or a table of pyarrow."""
    if _library(value) not in _COLUMN or not hasattr(value, "columns"):
        return False
    return len(getattr(value, "shape", ())) == 2


def is_series(value: Any) -> bool:
    """Whether a value is one column of such a frame."""
    one = hasattr(value, "to_numpy") and not hasattr(value, "columns")
    return one and _library(value) in _COLUMN


def series(value: Any) -> Column:
    """One column, by its own name."""
    name = getattr(value, "name", None)
    return Column("" if name is None else str(name), f"the {_library(value)} series", _cells(value))


def frame_table(value: Any, name: str = "") -> Table:
    """The columns of a frame.

    Args:
        name: of the file it comes from, for messages.

    Raises:
        UnfitColumn: it has no rows or no columns, or two columns of one name.
    """
    library = _library(value)
    name = name or f"the {library} frame"
    titles = [str(t) for t in getattr(value, "column_names", None) or value.columns]
    for title, count in Counter(titles).items():
        if count > 1:
            raise UnfitColumn("P0611", f"{name} has {count} columns named `{title}`")
    if 0 in value.shape:
        raise UnfitColumn("P0611", f"{name} is empty: {value.shape[0]} rows, {len(titles)} columns")
    cells = [_cells(_COLUMN[library](value, i)) for i in range(len(titles))]
    return Table(name, tuple(Column(t, name, c) for t, c in zip(titles, cells, strict=True)))


def _cells(column: Any) -> Any:
    """The cells as an array; of several values that are missing one is an object."""
    import numpy as np

    return np.asarray(column.to_numpy())


def read_parquet(path: Path) -> Table:
    """The table of a Parquet file, by pyarrow.

    Raises:
        UnfitColumn: the library is not installed, or as `frame_table`.
        PoeError: it has more cells than the limit (P0507).
    """
    try:
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise UnfitColumn(
            "P0604",
            f"{path.name} needs the library `pyarrow`, which is not installed",
            f"install it with: {install_command('tables', 'pyarrow')}",
        ) from error
    with path.open("rb") as file:
        stated = parquet.ParquetFile(file).metadata
        cells = stated.num_rows * stated.num_columns
        if too_large := excess("numbers", f"the table {path.name} has", cells):
            raise PoeError((too_large,))
        return frame_table(parquet.read_table(file), path.name)


def untabled(value: Any, spec: InputSpec) -> Any:
    """The numbers or the text of a column, and those of a table: of the column with the name of the
    input, else of all; other values as they are.

    Raises:
        UnfitColumn: a cell is missing or no number, or no column is that of the input.
    """
    if is_frame(value):
        value = frame_table(value)
    if is_series(value):
        value = series(value)
    if isinstance(value, Table):
        columns = value.columns
        named = value.by_name().get(spec.name)
        if named is None and (len(columns) > 1 and len(spec.type.sizes) != 2 and value.has_header):
            listed = ", ".join(f"`{c.name}`" for c in columns)
            message = f"{value.name} has the columns {listed}, and none of this name"
            raise UnfitColumn("P0603", message, table=value.name)
        if named is None and len(columns) > 1:
            return value.matrix(spec.type.name)
        value = named or columns[0]
    if isinstance(value, Column):
        return text(value) if spec.type.name == "Text" else numbers(value, spec.type.name)
    return value
