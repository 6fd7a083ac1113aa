"""``poe fmt``: what it writes, and what it leaves alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from poedsl.cli import fmt
from poedsl.cli.main import app
from poedsl.grammar.formatting.format import FormatError

UGLY, TIDY = "x~A*B # both\n", "x ~ A * B  # both\n"


def poe(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(app, arguments, input=stdin)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "program.poe"
    path.write_text(UGLY)
    return path


def test_a_file_is_written(file: Path) -> None:
    file.chmod(0o640)
    done = poe("fmt", str(file))
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == f"{file}: formatted\n"
    assert file.read_text() == TIDY
    assert file.stat().st_mode & 0o777 == 0o640
    assert os.listdir(file.parent) == [file.name]
    assert poe("fmt", str(file)).output == ""


def test_standard_input_goes_to_standard_output() -> None:
    done = poe("fmt", "-", stdin=UGLY)
    assert (done.exit_code, done.stdout, done.stderr) == (0, TIDY, "")


def test_check_names_the_file(file: Path) -> None:
    done = poe("fmt", "--check", str(file))
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == f"{file}: would be formatted\n"
    assert file.read_text() == UGLY
    file.write_text(TIDY)
    assert poe("fmt", "--check", str(file)).exit_code == 0


def test_diff_shows_what_would_change(file: Path) -> None:
    done = poe("fmt", "--diff", str(file))
    assert done.exit_code == 0
    assert done.stdout.splitlines()[:2] == [f"--- {file}", f"+++ {file} (formatted)"]
    assert f"-{UGLY}+{TIDY}" in done.stdout
    assert file.read_text() == UGLY
    assert poe("fmt", "--diff", "--check", str(file)).exit_code == 1
    assert "\\ No newline at end of file" in poe("fmt", "--diff", "-", stdin="x ~ A").stdout


def test_line_ends_and_links_stay(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbfx~A\r\ny~B\r\n")
    link = file.with_name("link.poe")
    link.symlink_to(file)
    assert poe("fmt", str(link)).exit_code == 0
    assert link.is_symlink()
    assert file.read_bytes() == b"\xef\xbb\xbfx ~ A\r\ny ~ B\r\n"


def test_syntax_errors_are_shown_and_the_file_is_left(file: Path) -> None:
    file.write_text("x~A\nx ~ f(\n")
    done = poe("fmt", str(file))
    assert (done.exit_code, done.stdout) == (1, "")
    assert f"error[P0104]: this bracket is never closed\n  --> {file}:2:6" in done.stderr
    assert file.read_text() == "x~A\nx ~ f(\n"


def test_a_result_that_means_something_else_is_not_written(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: str) -> str:
        raise FormatError("not the same program")

    monkeypatch.setattr(fmt, "format_source", fail)
    done = poe("fmt", str(file))
    assert done.exit_code == 1
    assert done.stderr == f"poe: {file}: not the same program; it is left as it is\n"
    assert file.read_text() == UGLY


def test_what_cannot_be_read_or_written(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path, said in (
        (file.parent, "cannot be read: Is a directory"),
        (file.with_name("no.poe"), "cannot be read: No such file or directory"),
    ):
        done = poe("fmt", str(path))
        assert (done.exit_code, done.output) == (2, f"poe: {path} {said}\n")
    file.with_name("bytes.poe").write_bytes(b"\xff\xfe")
    assert "is not a text in UTF-8" in poe("fmt", str(file.with_name("bytes.poe"))).output

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    done = poe("fmt", str(file))
    assert (done.exit_code, done.output) == (
        2,
        f"poe: {file} cannot be written: Permission denied\n",
    )
    assert file.read_text() == UGLY
    assert sorted(os.listdir(file.parent)) == ["bytes.poe", "program.poe"]
