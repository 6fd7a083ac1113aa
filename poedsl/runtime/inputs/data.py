"""Data for many inputs at once: files of JSON, CSV, Parquet or NumPy, data frames, mappings."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from poedsl.compiler.names.suggestions import similar_name
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError
from poedsl.runtime.inputs import files
from poedsl.runtime.inputs.columns import Table, UnfitColumn
from poedsl.runtime.inputs.frames import frame_table, is_frame

#: The endings of files that hold values for several inputs.
ENDINGS = (".json", ".csv", ".tsv", ".parquet", ".npz")


@dataclass(frozen=True, slots=True)
class DataSource:
    """Values by the names of inputs.

    Attributes:
        name: of the file, or what else holds them.
        base: the folder that file names among the values are relative to.
    """

    name: str
    values: Mapping[str, Any]
    base: Path | None = None


def read_source(data: Any) -> DataSource:
    """The values of a file, a frame, a table or a mapping.

    Args:
        data: a `Path` or a text that names a file; a data frame of pandas or polars, or a table of
            pyarrow, whose columns are inputs; or a mapping.

    Raises:
        PoeError: it is a file that cannot be read (P0604), a table with a fault (P0611), or none of
            these (P0602).
    """
    if isinstance(data, (str, Path)):
        return _file(Path(data))
    try:
        if is_frame(data):
            table = frame_table(data)
            return DataSource(table.name, table.by_name())
    except UnfitColumn as error:
        raise PoeError((Diagnostic(error.code, str(error), notes=error.notes),)) from error
    if isinstance(data, Mapping):
        return DataSource("the mapping", {str(name): value for name, value in data.items()})
    note = f"files end in {', '.join(ENDINGS)}; a frame has columns, a mapping has keys"
    message = f"data are a file, a data frame or a mapping, and this is a {type(data).__name__}"
    raise PoeError((Diagnostic("P0602", message, notes=(note,)),))


def _file(path: Path) -> DataSource:
    try:
        read = read_data(path)
        if isinstance(read, Table):
            if not read.has_header:
                note = "the first line has the names of the columns, which are those of inputs"
                raise UnfitColumn("P0611", f"{path.name} has no header", note)
            read = read.by_name()
    except FileNotFoundError as error:
        raise PoeError((Diagnostic("P0604", f"the data file is not there: {path}"),)) from error
    except UnfitColumn as error:
        raise PoeError((Diagnostic(error.code, str(error), notes=error.notes),)) from error
    except files.UnreadableFile as error:
        notes = (str(error), *error.notes)
        message = f"the data file cannot be read: {path}"
        raise PoeError((Diagnostic("P0604", message, notes=notes),)) from error
    return DataSource(path.name, read, path.parent)


def read_data(path: Path) -> Table | dict[str, Any]:
    """The content of a file of values for several inputs.

    Raises:
        FileNotFoundError: there is no such file.
        Unreadable: it cannot be read.
        UnfitColumn: it is a table with a fault.
    """
    with files.reasons():
        match path.suffix.lower():
            case ".json":
                return read_object(files.text(path), path.name)
            case ".npz":
                with path.open("rb") as file:
                    return dict(files.archive(path, file))
            case ending if ending in files.TABLES:
                return files.table(path)
            case ending:
                raise files.UnreadableFile(
                    files.unread(ending),
                    f"they end in {', '.join(ENDINGS)}",
                )


def read_object(text: str, name: str) -> dict[str, Any]:
    """The values of a text of JSON: an object whose keys are names of inputs.

    Args:
        name: of the file, for messages.

    Raises:
        UnfitColumn: it is no object, or has a key twice (P0611).
        ValueError: it is no JSON.
    """
    if not text.strip():
        raise UnfitColumn("P0611", f"{name} is empty")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key, value in pairs:
            if key in out:
                raise UnfitColumn("P0611", f"{name} has the key `{key}` twice")
            out[key] = value
        return out

    data = json.loads(text, object_pairs_hook=unique)
    if not isinstance(data, dict):
        kinds: dict[type, str] = {list: "a list", str: "a text"}
        kind = kinds.get(type(data), "a single value")
        note = 'it is one object whose keys are inputs: {"N": 3, "y": [1, 2, 3]}'
        raise UnfitColumn("P0611", f"{name} is {kind}", note)
    return data


def merged(
    plan: PlanSpec, sources: Sequence[DataSource]
) -> dict[str, tuple[Any, Path | None, str]]:
    """The value of each input that a source has, the folder of its file names, and the source.

    Raises:
        PoeError: two sources have the same input (P0609).
    """
    out: dict[str, tuple[Any, Path | None, str]] = {}
    problems: list[Diagnostic] = []
    for spec in plan.inputs:
        holding = [s for s in sources if spec.name in s.values]
        if len(holding) > 1:
            listed = " and ".join(s.name for s in holding)
            message = f"there are several values for `{spec.name}`: {listed} have one each"
            problems.append(Diagnostic("P0609", message))
        elif holding:
            out[spec.name] = holding[0].values[spec.name], holding[0].base, holding[0].name
    if problems:
        raise PoeError(tuple(problems))
    return out


def unused(plan: PlanSpec, sources: Iterable[DataSource]) -> tuple[Diagnostic, ...]:
    """What sources hold that no input takes: warnings where an input without a value has a similar
    name, else notes.
    """
    names = {i.name for i in plan.inputs}
    unbound = names - {name for name, _ in plan.bindings}
    out: list[Diagnostic] = []
    for source in sources:
        extra = [name for name in source.values if name not in names]
        for name in extra:
            if (similar := similar_name(name, unbound)) is not None:
                message = f"{source.name} has `{name}`, and the program has the input `{similar}`"
                out.append(Diagnostic("P0610", message, severity="warning"))
        if extra:
            listed = ", ".join(f"`{name}`" for name in extra)
            message = f"of {source.name} no input takes {listed}"
            out.append(Diagnostic("P0610", message, severity="note"))
    return tuple(out)
