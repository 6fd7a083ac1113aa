"""Which files of an output folder are poedsl's own, and in which state its run is.

A folder belongs to poedsl if it holds ``run.json``, which lists the files that runs have written
there. Only those files are ever replaced or removed; a file that is not listed is never touched,
and no symbolic link is followed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError
from poedsl.runtime.core.atomic_files import PART, write_atomically

MANIFEST, MANIFEST_SCHEMA = "run.json", "poedsl-run/1"
#: Where a run's files are until they are complete.
STAGING = ".poedsl-unfinished"
STATES = ("running", "interrupted", "finished", "failed")


@dataclass(frozen=True, slots=True)
class RunState:
    """What ``run.json`` says.

    Attributes:
        state: ``running``, ``interrupted``, ``finished`` or ``failed``; a run that was killed is
            still ``running``.
        note: what there is and what to do, in words.
        process: the number of the process and the name of its machine.
        run: the settings of the run, as `poe run --resume` takes them up.
        files: those that runs have written, relative to the folder.
        moving: files of a complete result that are being moved into place; empty otherwise.
        after_moving: the state when they are.
    """

    state: str
    note: str = ""
    process: str = ""
    run: Mapping[str, Any] = field(default_factory=dict)
    files: frozenset[str] = frozenset()
    moving: frozenset[str] = frozenset()
    after_moving: str = "finished"

    @property
    def unfinished(self) -> bool:
        return self.state in ("running", "interrupted")

    def write(self, folder: Path) -> None:
        """Replace ``run.json`` in a folder.

        Raises:
            OSError: it cannot be written; the earlier one is as it was.
        """
        sets = {"files": sorted(self.files), "moving": sorted(self.moving)}
        data = {"schema": MANIFEST_SCHEMA, **asdict(self), **sets}
        manifest = folder / MANIFEST
        if manifest.is_symlink():
            manifest.unlink()
        write_atomically(manifest, (json.dumps(data, indent=1) + "\n").encode())


def read_state(folder: Path) -> RunState | None:
    """The state of a folder; None where it holds nothing that a run wrote.

    Raises:
        PoeError: it holds other files and no ``run.json``, or a part of it is a symbolic link
            (P0712).
    """
    if not folder.is_dir():
        return None
    manifest = folder / MANIFEST
    if not manifest.is_file() or manifest.is_symlink():
        names = {p.name for p in folder.iterdir()}
        refuse_foreign(folder, {n for n in names if not n.startswith(PART)})
        return None
    try:
        data = json.loads(manifest.read_text(encoding="utf-8"))
        if data.pop("schema") != MANIFEST_SCHEMA:
            raise ValueError
        sets = {name: frozenset(map(str, data[name])) for name in ("files", "moving")}
        state = RunState(**{**data, **sets})
        valid = all(map(_inside, state.files | state.moving)) and isinstance(state.run, dict)
        valid = valid and {state.state, state.after_moving} <= {*STATES}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        valid = False
    if not valid:
        raise foreign(folder, f"its {MANIFEST} is not one that a run wrote")
    _refuse_links(folder)
    return state


def _inside(name: str) -> bool:
    """Whether a run may have written a file of this name."""
    parts = Path(name).parts
    if ".." in parts or Path(name).is_absolute():
        return False
    return parts[:1] != ("samples",) if len(parts) == 1 else parts[:-1] == ("samples",)


def _refuse_links(folder: Path) -> None:
    for name in ("samples", STAGING):
        if (folder / name).is_symlink():
            raise foreign(folder, f"{name} in it is a symbolic link, and links are not followed")


def refuse_foreign(folder: Path, names: set[str], *notes: str) -> None:
    """Whether files that a run would write are there and are not poedsl's own.

    Raises:
        PoeError: some are (P0712).
    """
    _refuse_links(folder)
    existing = sorted(n for n in names if os.path.lexists(folder / n))
    if existing:
        more = f" and {len(existing) - 1} more" if len(existing) > 1 else ""
        raise foreign(folder, f"it holds {existing[0]}{more}, which no run wrote", *notes)


def foreign(folder: Path, reason: str, *notes: str) -> PoeError:
    """The error of a folder that holds files of another origin."""
    message = f"results are not written to {folder}: {reason}"
    notes = (*notes, "give a new or an empty folder")
    return PoeError((Diagnostic("P0712", message, notes=notes),))


@contextmanager
def writing(folder: Path, *notes: str) -> Iterator[None]:
    """Turns what the file system refuses into a diagnostic that names the folder."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        message = f"the results cannot be written to {folder}: {reason}"
        raise PoeError((Diagnostic("P0704", message, notes=notes),)) from error
