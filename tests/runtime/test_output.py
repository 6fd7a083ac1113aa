"""The folder of a run: nothing that poedsl did not write is removed, replaced or followed."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

import poedsl
from poedsl.grammar.errors import PoeError
from poedsl.runtime.core.atomic_files import write_atomically
from poedsl.runtime.results.folder_ownership import MANIFEST, STAGING
from poedsl.runtime.results.result import Result
from poedsl.runtime.results.write_result import OutputFolder
from poedsl.runtime.smc.records import StageRecord


@pytest.fixture(scope="module")
def result() -> Result:
    return poedsl.compile("x : Real[2]\nx ~ Normal(0, 1) * Normal(1, 1)").run(seed=0, particles=50)


def write(folder: Path, result: Result) -> None:
    OutputFolder(folder, result.plan.to_json()).finish(result)


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


def refused(folder: Path) -> str:
    with pytest.raises(PoeError) as caught:
        OutputFolder(folder, "{}")
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "P0712"
    return diagnostic.message


@pytest.mark.slow
def test_a_finished_folder_says_so_and_lists_its_files(tmp_path: Path, result: Result) -> None:
    write(tmp_path / "out", result)
    manifest = json.loads((tmp_path / "out" / MANIFEST).read_text())
    assert manifest["state"] == "finished"
    assert set(manifest["files"]) == content(tmp_path / "out").keys() - {MANIFEST}
    assert {"result.json", "plan.json", "log.jsonl", "samples/x.png"} <= set(manifest["files"])


@pytest.mark.parametrize("name", ["holiday.jpg", "report.html", "samples/cat.png", ".hidden"])
def test_a_folder_with_files_of_another_origin_is_left_alone(name: str, tmp_path: Path) -> None:
    own = tmp_path / name
    own.parent.mkdir(exist_ok=True)
    own.write_text("mine")
    before = content(tmp_path)
    assert name.split("/")[0] in refused(tmp_path)
    assert content(tmp_path) == before


@pytest.mark.slow
def test_files_beside_a_result_stay(tmp_path: Path, result: Result) -> None:
    write(tmp_path, result)
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "samples" / "mine.png").write_text("mine")
    (tmp_path / "samples" / "mine.txt").write_text("mine")
    write(tmp_path, result)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert (tmp_path / "samples" / "mine.png").read_text() == "mine"
    assert (tmp_path / "samples" / "mine.txt").read_text() == "mine"


@pytest.mark.slow
def test_files_of_the_last_run_that_the_next_does_not_write_go(
    tmp_path: Path, result: Result
) -> None:
    write(tmp_path, result)
    other = poedsl.compile("y ~ Normal(0, 1)").run(seed=0, particles=50)
    write(tmp_path, other)
    assert sorted(p.name for p in (tmp_path / "samples").iterdir()) == ["y.png"]


@pytest.mark.slow
def test_a_file_of_a_name_that_a_later_run_would_take_is_kept(
    tmp_path: Path, result: Result
) -> None:
    write(tmp_path, result)
    (tmp_path / "samples" / "y.png").write_text("mine")
    other = poedsl.compile("y ~ Normal(0, 1)").run(seed=0, particles=50)
    before = content(tmp_path)
    with pytest.raises(PoeError, match=r"samples/y\.png"):
        write(tmp_path, other)
    after = content(tmp_path)
    assert all(after[n] == before[n] for n in before if n not in (MANIFEST, "log.jsonl"))


@pytest.mark.slow
def test_an_earlier_result_stays_until_the_next_is_complete(tmp_path: Path, result: Result) -> None:
    write(tmp_path, result)
    before = content(tmp_path)
    folder = OutputFolder(tmp_path, "{}")
    folder.stage(result.stages[0])
    after = content(tmp_path)
    assert all(after[n] == before[n] for n in before if n not in (MANIFEST, "log.jsonl"))
    assert json.loads(after[MANIFEST])["state"] == "running"
    assert len(after["log.jsonl"].splitlines()) == 1
    write(tmp_path, result)
    assert not (tmp_path / STAGING).exists()
    assert content(tmp_path).keys() == before.keys()


@pytest.mark.slow
def test_links_are_not_followed(tmp_path: Path, result: Result) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "x.png").write_text("mine")
    (elsewhere / "result.json").write_text("mine")
    out = tmp_path / "out"
    write(out, result)
    for name in ("result.json", "samples/x.png"):
        (out / name).unlink()
        os.symlink(elsewhere / Path(name).name, out / name)
    write(out, result)
    assert content(elsewhere) == {"result.json": b"mine", "x.png": b"mine"}
    assert not (out / "result.json").is_symlink()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["samples", STAGING])
def test_a_folder_that_became_a_link_is_refused(name: str, tmp_path: Path, result: Result) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "x.png").write_text("mine")
    out = tmp_path / "out"
    write(out, result)
    if name == "samples":
        for path in (out / name).iterdir():
            path.unlink()
        (out / name).rmdir()
    os.symlink(elsewhere, out / name)
    assert name in refused(out)
    assert content(elsewhere) == {"x.png": b"mine"}


@pytest.mark.slow
def test_the_log_of_a_run_is_not_written_through_a_link(tmp_path: Path, result: Result) -> None:
    mine = tmp_path / "mine"
    mine.write_text("mine")
    out = tmp_path / "out"
    write(out, result)
    (out / "log.jsonl").unlink()
    os.symlink(mine, out / "log.jsonl")
    with pytest.raises(PoeError):
        OutputFolder(out, "{}")
    assert mine.read_text() == "mine"


@pytest.mark.parametrize(
    "manifest",
    [
        "[]",
        "{}",
        "{",
        '{"schema": "poedsl-run/1", "files": ["../mine"]}',
        '{"schema": "poedsl-run/1", "files": ["/etc/passwd"]}',
        '{"schema": "poedsl-run/1", "files": ["mine/own.txt"]}',
        '{"schema": "poedsl-run/1", "files": ["/"]}',
        '{"schema": "poedsl-run/1", "files": ["samples"]}',
        "[" * 100_000,
    ],
)
def test_a_manifest_that_names_files_elsewhere_is_refused(manifest: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "mine").write_text("mine")
    (out / MANIFEST).write_text(manifest)
    assert MANIFEST in refused(out)
    assert (tmp_path / "mine").read_text() == "mine"


@pytest.mark.slow
def test_hard_links_to_an_earlier_result_keep_it(tmp_path: Path, result: Result) -> None:
    out, backup = tmp_path / "out", tmp_path / "backup"
    write(out, result)
    before = content(out)
    for name in before:
        (backup / name).parent.mkdir(parents=True, exist_ok=True)
        os.link(out / name, backup / name)
    write(out, result)
    assert content(backup) == before


def full_disk(handle: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.slow
def test_a_full_disk_leaves_the_earlier_result(
    tmp_path: Path, result: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, result)
    before = content(tmp_path)
    folder = OutputFolder(tmp_path, "{}")
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(PoeError) as caught:
        folder.finish(result, pictures=False)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "P0704"
    after = content(tmp_path)
    assert all(after[n] == before[n] for n in before if n not in (MANIFEST, "log.jsonl"))
    monkeypatch.undo()
    write(tmp_path, result)
    assert content(tmp_path).keys() == before.keys()


@pytest.mark.parametrize("part", ["pictures.draw", "write_result.page"])
def test_an_error_while_pictures_are_drawn_leaves_the_result(
    part: str, tmp_path: Path, result: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("a fault of this program")

    monkeypatch.setattr(f"poedsl.runtime.results.{part}", fails)
    with pytest.raises(RuntimeError, match="a fault"):
        result.save(tmp_path)
    assert json.loads((tmp_path / MANIFEST).read_text())["state"] == "finished"
    assert Result.load(tmp_path).log_evidence == result.log_evidence


def test_a_file_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, link = tmp_path / "program.poe", tmp_path / "link.poe"
    file.write_text("mine")
    file.chmod(0o640)
    link.symlink_to(file)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full_disk)
        with pytest.raises(OSError):
            write_atomically(file, b"other")
    assert content(tmp_path)["program.poe"] == b"mine"
    write_atomically(link, b"other")
    assert file.read_text() == "other" and link.is_symlink()
    assert file.stat().st_mode & 0o777 == 0o640
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link.poe", "program.poe"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "program",
    [
        "x ~ Normal(0, 1e-30)",  # fails in a stage whose records are not finite
        "x ~ Normal(1e30, 1e-3)",
        "x : Real[2]\nx ~ Normal(1e30, 1e-3)",
    ],
)
def test_numbers_at_the_limits_of_precision_are_written(program: str, tmp_path: Path) -> None:
    folder = OutputFolder(tmp_path / "out", "{}")
    result = poedsl.compile(program).run(seed=0, particles=16, steps=8)
    for record in result.stages:
        folder.stage(record)
    folder.finish(result)
    saved = json.loads((tmp_path / "out" / "result.json").read_text())
    assert saved["outcome"] == result.outcome.name.lower()
    assert len(saved["stages"]) == len(result.stages)
    back = [StageRecord.of_json(record) for record in saved["stages"]]
    assert [repr(record) for record in back] == [repr(record) for record in result.stages]
