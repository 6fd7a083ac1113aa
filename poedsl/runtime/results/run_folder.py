"""The folder of a run from its start to its end: its state, its log and its checkpoint.

A run writes into a staging folder and moves its files into place when all of them are complete, so
that an earlier result stays until then.
"""

from __future__ import annotations

import json
import math
import os
import platform
import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError
from poedsl.runtime.checkpoints.checkpoint_file import CHECKPOINT, write_checkpoint
from poedsl.runtime.core.atomic_files import PART, sync, write_atomically
from poedsl.runtime.core.state import SavedState
from poedsl.runtime.results.folder_ownership import (
    STAGING,
    RunState,
    foreign,
    read_state,
    refuse_foreign,
    writing,
)
from poedsl.runtime.results.saved_files import PLAN
from poedsl.runtime.smc.records import StageRecord

LOG = "log.jsonl"
#: The folders that this process has locked, and their open handles.
_LOCKED: dict[Path, int] = {}


class RunFolder:
    """Takes possession of a folder for a run, and keeps its log and its checkpoint.

    Args:
        plan_json: the plan of the run. run: its settings.
        resumed: whether a run goes on, whose log and checkpoint stay.
        force: whether the checkpoint of an unfinished run may be discarded.

    Raises:
        PoeError: the folder cannot be made or written (P0704), it holds files that no run wrote
            (P0712), or a run that is not finished (P0720); from every method.
    """

    def __init__(
        self,
        folder: Path,
        plan_json: str,
        run: Mapping[str, Any] | None = None,
        *,
        resumed: bool = False,
        force: bool = False,
    ) -> None:
        self.folder, self.staging = folder, folder / STAGING
        with writing(folder):
            before = read_state(folder)
            folder.mkdir(parents=True, exist_ok=True)
            lock(folder)
            if before is not None and before.moving:
                before = complete(folder)
            files = frozenset() if before is None else before.files
            refuse_foreign(folder, {CHECKPOINT} - files)
            if not resumed and not force and (folder / CHECKPOINT).exists():
                raise unfinished(folder)
            remove_parts(folder)
            if not resumed:  # so that nothing here is of two runs, whenever this is stopped
                (folder / CHECKPOINT).unlink(missing_ok=True)
                if self.staging.is_dir():
                    shutil.rmtree(self.staging)
            self.state = RunState(
                "running",
                f"`poe run --resume {folder}` goes on with the run once its process has ended",
                f"{os.getpid()} on {platform.node()}",
                run or {},
                files | {LOG, CHECKPOINT},
            )
            self.state.write(folder)
            self._stage_plan(plan_json)
            if not resumed:
                self.keep_log(0)

    def _stage_plan(self, plan_json: str) -> None:
        """Leave the plan in the staging folder, and nothing else.

        The plan of a run that goes on is there all the time: the run could not go on without it.
        """
        self.staging.mkdir(exist_ok=True)
        for path in self.staging.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != PLAN or path.is_symlink():
                path.unlink()
        write_atomically(self.staging / PLAN, plan_json.encode())
        (self.staging / "samples").mkdir()

    def keep_log(self, count: int) -> int:
        """Keep the lines of the log on the first stages, as far as they are whole.

        The log is a new file: other hard links to an earlier one keep its content.

        Returns:
            How many there are.
        """
        log, kept = self.folder / LOG, list[str]()
        if log.is_symlink():
            raise foreign(self.folder, f"{LOG} in it is a symbolic link")
        if count and log.is_file():
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
            for line in lines[:count]:
                if not _whole(line):
                    break
                kept.append(line)
        with writing(self.folder):
            write_atomically(log, "".join(kept).encode())
        return len(kept)

    def stage(self, record: StageRecord, log_evidence: float | None = None) -> None:
        """Log a stage.

        Args:
            log_evidence: log Z so far; None where it is not known.
        """
        finite = log_evidence is not None and math.isfinite(log_evidence)
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            **record.as_json(),
            "log_evidence": log_evidence if finite else None,
        }
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
        with writing(self.folder):
            handle = os.open(self.folder / LOG, flags, 0o666)
            with os.fdopen(handle, "w", encoding="utf-8") as log:
                log.write(json.dumps(line, allow_nan=False) + "\n")

    def save(self, state: SavedState) -> None:
        """Replace the checkpoint.

        Raises:
            OSError: it cannot be written; the earlier one is as it was.
        """
        checkpoint = self.folder / CHECKPOINT
        if checkpoint.is_symlink():
            checkpoint.unlink()
        write_checkpoint(self.folder, state)

    def stopped(self, state: str, note: str) -> None:
        """Say how a run without a result has ended: ``interrupted`` or ``failed``."""
        self.state = replace(self.state, state=state, note=note, process="")
        with writing(self.folder):
            self.state.write(self.folder)
        unlock(self.folder)

    def publish(self, state: str) -> None:
        """Let the staged files take the place of those of an earlier run.

        Args:
            state: of the folder afterwards.
        """
        paths = [p.relative_to(self.staging) for p in self.staging.rglob("*") if p.is_file()]
        names = frozenset(path.as_posix() for path in paths)
        for path in (*paths, *{p.parent for p in paths}):
            sync(self.staging / path)
        kept = f"the result is in {self.staging}"
        refuse_foreign(self.folder, set(names - self.state.files), kept)
        note = f"`poe run --resume {self.folder}` moves the files of the result into place"
        self.state = replace(
            self.state,
            note=note,
            files=self.state.files | names,
            moving=names,
            after_moving=state,
        )
        self.state.write(self.folder)
        self.state = complete(self.folder)
        unlock(self.folder)


def lock(folder: Path) -> None:
    """Keep other processes out of a folder until `unlock` or the end of this one, where the system
    can do that.

    Raises:
        PoeError: another process is writing to it (P0720).
    """
    try:
        import fcntl
    except ImportError:
        return
    place = folder.resolve()
    if place in _LOCKED:
        return
    handle = os.open(place, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise unfinished(folder, "another process is writing to it") from None
    except OSError:  # a file system without locks
        pass
    _LOCKED[place] = handle


def unlock(folder: Path) -> None:
    """Let other processes write to a folder."""
    handle = _LOCKED.pop(folder.resolve(), None)
    if handle is not None:
        os.close(handle)


def complete(folder: Path) -> RunState:
    """Move the files of a result that is complete into place, as far as they are not there yet, and
    remove the others that runs have written.

    Raises:
        OSError: a file cannot be moved; calling it again goes on.
    """
    state = read_state(folder)
    assert state is not None
    remove_parts(folder)
    staging = folder / STAGING
    for name in sorted(state.files - state.moving - {LOG}):
        (folder / name).unlink(missing_ok=True)
    for name in sorted(state.moving):
        if (staging / name).is_file():
            (folder / name).parent.mkdir(exist_ok=True)
            os.replace(staging / name, folder / name)
    for place in (folder / "samples", folder):
        if place.is_dir():
            sync(place)
    shutil.rmtree(staging, ignore_errors=True)
    files = state.moving | {LOG}
    done = RunState(state.after_moving, run=state.run, files=files)
    done.write(folder)
    return done


def remove_parts(folder: Path) -> None:
    """Remove what a process was writing when it was killed."""
    for part in folder.glob(f"{PART}*"):
        part.unlink()


def unfinished(folder: Path, reason: str = "") -> PoeError:
    """The error of a new run into a folder whose run has not finished."""
    message = f"a new run is not written to {folder}: "
    message += reason or "it holds the checkpoint of a run that has not finished"
    notes = (
        ("give another folder, or wait until that has ended",)
        if reason
        else (f"`poe run --resume {folder}` goes on with that run", "`--force` discards it")
    )
    return PoeError((Diagnostic("P0720", message, notes=notes),))


def _whole(line: str) -> bool:
    try:
        return line.endswith("\n") and isinstance(json.loads(line), dict)
    except ValueError:
        return False
