"""The folder a run leaves behind.

A folder belongs to poedsl if it holds a manifest that lists the files which runs have written
there. Only those files are ever replaced or removed; a file that is not listed is never touched,
and no symbolic link is followed. A run writes into a staging folder and moves its files into place
when all of them are complete, so an earlier result stays until then.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from poedsl.catalog.installation import install_command
from poedsl.compiler.plan.text import print_plan
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError
from poedsl.runtime.results.atomic_files import PART, sync, write_atomically
from poedsl.runtime.results.data_groups import data_count
from poedsl.runtime.results.report import html_report
from poedsl.runtime.results.saved_files import (
    DETAILS,
    PARTICLES,
    PLAN,
    RESULT,
    WrittenRun,
    as_json,
    detail_tensors,
    particle_tensors,
)
from poedsl.runtime.smc.records import StageRecord

MANIFEST, MANIFEST_SCHEMA = ".poedsl-run.json", "poedsl-run/1"
#: Where a run's files are until they are complete.
STAGING = ".poedsl-unfinished"
LOG = "log.jsonl"

#: The most pairs of a particle and a datum of which posterior.nc has numbers.
MOST_PAIRS = 2**23


class OutputFolder:
    """Writes ``log.jsonl`` as stages are done, and the rest when the run has ended.

    Raises:
        PoeError: the folder cannot be made or written (P0704), or it holds files that no run wrote
            (P0712); from every method.
    """

    def __init__(self, folder: Path, plan_json: str) -> None:
        self.folder, self.staging = folder, folder / STAGING
        with _writing(folder):
            self.owned = _owned(folder)
            folder.mkdir(parents=True, exist_ok=True)
            self._manifest({*self.owned, LOG}, "running")
            if self.staging.is_dir():
                shutil.rmtree(self.staging)
            (self.staging / "samples").mkdir(parents=True)
            (self.staging / PLAN).write_text(plan_json, encoding="utf-8")
            self._new_log()

    def stage(self, record: StageRecord) -> None:
        with _writing(self.folder):
            self._log(json.dumps(asdict(record), allow_nan=False) + "\n")

    def finish(self, result: WrittenRun, *, pictures: bool = True) -> list[str]:
        """Write the result, and let it take the place of an earlier one.

        Args:
            pictures: whether to write ``samples/`` and ``posterior.nc``.

        Returns:
            What was left out and why, a sentence each.
        """
        left_out: list[str] = []
        kept = f"files that were complete by then are in {self.staging}"
        with _writing(self.folder, kept):
            self._tensors(result)
            captions: dict[str, str] = {}
            if result.outcome.ok and pictures:
                try:
                    from poedsl.runtime.results.films import films_left_out
                    from poedsl.runtime.results.pictures import draw

                    drawn = draw(result, self.staging / "samples")
                    captions = {f"samples/{name}": text for name, text in drawn.items()}
                    left_out += films_left_out(result.plan)
                except ImportError as error:
                    left_out.append(_left_out("the picture in samples/", error))
                pairs = len(result.log_weights) * data_count(result.plan)
                if pairs > MOST_PAIRS:
                    left_out.append(
                        "log likelihoods and predictions of the data are left out of posterior.nc: "
                        f"they would have {pairs:,} numbers each; `to_arviz` has them"
                    )
                try:
                    self._arviz(result, data=pairs <= MOST_PAIRS)
                except ImportError as error:
                    left_out.append(_left_out("posterior.nc", error))
            page = html_report(result, print_plan(result.plan), captions)
            (self.staging / "report.html").write_text(page, encoding="utf-8")
            text = json.dumps(as_json(result), indent=1, allow_nan=False) + "\n"
            (self.staging / RESULT).write_text(text, encoding="utf-8")
            self._publish()
        return left_out

    def _publish(self) -> None:
        """Move the staged files into place, and remove what an earlier run wrote beside them."""
        new = sorted(p.relative_to(self.staging) for p in self.staging.rglob("*") if p.is_file())
        names = {p.as_posix() for p in new}
        folders = {p.parent for p in new}
        for path in (*new, *folders):
            sync(self.staging / path)
        _refuse_foreign(self.folder, names - self.owned, f"the result is in {self.staging}")
        self._manifest(self.owned | names | {LOG}, "running")
        for name in self.owned - names - {LOG}:
            (self.folder / name).unlink(missing_ok=True)
        for path in new:
            (self.folder / path.parent).mkdir(exist_ok=True)
            os.replace(self.staging / path, self.folder / path)
        for path in folders:
            sync(self.folder / path)
        shutil.rmtree(self.staging)
        self._manifest(names | {LOG}, "finished")

    def _manifest(self, names: set[str], state: str) -> None:
        content = {"schema": MANIFEST_SCHEMA, "state": state, "files": sorted(names)}
        text = json.dumps(content, indent=1) + "\n"
        manifest = self.folder / MANIFEST
        if manifest.is_symlink():
            manifest.unlink()
        write_atomically(manifest, text.encode())

    def _new_log(self) -> None:
        """Begin the log in a new file: other hard links to an earlier one keep its content."""
        log = self.folder / LOG
        if log.is_symlink():
            raise _foreign(self.folder, f"{LOG} in it is a symbolic link")
        log.unlink(missing_ok=True)
        self._log("", os.O_EXCL)

    def _log(self, text: str, how: int = 0) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | how
        with os.fdopen(os.open(self.folder / LOG, flags, 0o666), "w", encoding="utf-8") as log:
            log.write(text)

    def _tensors(self, result: WrittenRun) -> None:
        from safetensors.torch import save

        for file, tensors in (
            (PARTICLES, particle_tensors(result)),
            (DETAILS, detail_tensors(result)),
        ):
            (self.staging / file).write_bytes(save(tensors))

    def _arviz(self, result: WrittenRun, *, data: bool) -> None:
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result.to_arviz(data=data).to_netcdf(
                str(self.staging / "posterior.nc"), engine="h5netcdf"
            )


def _owned(folder: Path) -> set[str]:
    """The files in a folder that earlier runs wrote, relative to it.

    Raises:
        PoeError: it holds others and no manifest, or a part of it is a symbolic link.
    """
    if not folder.is_dir():
        return set()
    manifest = folder / MANIFEST
    if not manifest.is_file() or manifest.is_symlink():
        names = {p.name for p in folder.iterdir()}
        _refuse_foreign(folder, {n for n in names if not n.startswith(PART)})
        return set()
    try:
        content = json.loads(manifest.read_text(encoding="utf-8"))
        names = set(map(str, content["files"]))
        valid = content["schema"] == MANIFEST_SCHEMA and all(map(_inside, names))
    except (ValueError, KeyError, TypeError, RecursionError):
        valid = False
    if not valid:
        raise _foreign(folder, f"its {MANIFEST} is not a manifest of poedsl")
    _refuse_links(folder)
    return names


def _inside(name: str) -> bool:
    """Whether a run may have written a file of this name."""
    parts = Path(name).parts
    if ".." in parts or Path(name).is_absolute():
        return False
    return parts[:1] != ("samples",) if len(parts) == 1 else parts[:-1] == ("samples",)


def _refuse_links(folder: Path) -> None:
    for name in ("samples", STAGING):
        if (folder / name).is_symlink():
            raise _foreign(folder, f"{name} in it is a symbolic link, and links are not followed")


def _refuse_foreign(folder: Path, names: set[str], *notes: str) -> None:
    """Whether files that a run would write are there and are not poedsl's own."""
    _refuse_links(folder)
    foreign = sorted(n for n in names if os.path.lexists(folder / n))
    if foreign:
        more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
        raise _foreign(folder, f"it holds {foreign[0]}{more}, which no run wrote", *notes)


def _foreign(folder: Path, reason: str, *notes: str) -> PoeError:
    message = f"results are not written to {folder}: {reason}"
    notes = (*notes, "give a new or an empty folder")
    return PoeError((Diagnostic("P0712", message, notes=notes),))


def _left_out(output: str, error: ImportError) -> str:
    command = install_command("report", error.name or "")
    return f"{output} is left out: `{error.name}` is not installed ({command})"


@contextmanager
def _writing(folder: Path, *notes: str) -> Iterator[None]:
    """Turns what the file system refuses into a diagnostic that names the folder."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        message = f"the results cannot be written to {folder}: {reason}"
        raise PoeError((Diagnostic("P0704", message, notes=notes),)) from error
