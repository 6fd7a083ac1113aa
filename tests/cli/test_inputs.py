"""Inputs on the command line: files that cannot be read, files of plans, byte order marks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import poedsl
from poedsl.cli.main import app
from tests.diagnostics import refused
from tests.runtime.test_pictures import png

PROGRAM = 'input a : Image = "a.png"\nx ~ Normal(0, 1) * exp(-mean(a) * x^2)\n'
QUICK = ("--sample", "particles=16", "--sample", "steps=4")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "program.poe").write_text(PROGRAM)
    Image.new("RGBA", (2, 2), (255, 0, 0, 128)).save(tmp_path / "a.png")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def poe(*arguments: str) -> tuple[int, str, str]:
    """The exit code and what is written; anything but an orderly end is an error."""
    done = CliRunner().invoke(app, arguments)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    return done.exit_code, done.stdout, done.stderr


def test_a_bomb_is_an_error_of_the_input(folder: Path) -> None:
    (folder / "b.png").write_bytes(png(50_000, 50_000))
    code, out, err = poe("run", "program.poe", "--set", "a=@b.png", *QUICK)
    assert code == 1 and out == "" and "error[P0604]" in err


@pytest.mark.slow
@pytest.mark.parametrize("text", ["[" * 100_000, "@" + "x" * 5000, "@\x00", "@"])
def test_values_that_cannot_be_read(folder: Path, text: str) -> None:
    code, _, err = poe("run", "program.poe", "--set", f"a={text}", *QUICK)
    assert code == 1 and "error[P0604]" in err


@pytest.mark.parametrize("depth", [100, 900, 3000])
def test_numbers_that_are_nested_too_deeply(folder: Path, depth: int) -> None:
    (folder / "numbers.poe").write_text("input s : Real[_]\nx ~ Normal(mean(s), 1)\n")
    code, _, err = poe("run", "numbers.poe", "--set", "s=" + "[" * depth + "]" * depth)
    assert code == 1 and "error[P0602]" in err


@pytest.mark.slow
def test_a_run_says_how_a_picture_was_read(folder: Path) -> None:
    code, _, err = poe("run", "program.poe", "--out", "out", *QUICK)
    assert code == 0 and "warning: the input `a`" in err
    result = json.loads(Path("out/result.json").read_text())
    assert "P1030" in [w["code"] for w in result["warnings"]]


def test_a_default_picture_travels_with_the_plan(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, text, _ = poe("plan", "program.poe", "--emit=json")
    assert code == 0
    assert poedsl.compile(Path("program.poe")).to_json() == text
    (folder / "elsewhere" / "plan.json").write_text(text)
    monkeypatch.chdir(folder / "elsewhere")
    assert poe("run", "plan.json", *QUICK)[0] == 0
    here = poedsl.compile(folder / "program.poe").bound()
    assert dict(poedsl.load(text).bound().spec.bindings) == dict(here.spec.bindings)


def test_a_default_that_is_not_there_is_said_when_the_json_is_made(folder: Path) -> None:
    (folder / "a.png").unlink()
    code, out, err = poe("plan", "program.poe", "--emit=json")
    assert code == 1 and out == "" and "error[P0604]" in err
    plan = poedsl.compile(folder / "program.poe")
    with refused("P0604"):
        plan.to_json()
    assert poe("plan", "program.poe")[0] == 0
    assert poedsl.load(plan.bind(a=np.zeros((3, 2, 2))).to_json()).bound()


def test_defaults_that_are_paths_stay_paths(folder: Path) -> None:
    program = 'input f : File = "a.png"\nx ~ Normal(0, 1)\n'
    (folder / "file.poe").write_text(program)
    assert poedsl.load(poedsl.compile(folder / "file.poe").to_json()).spec.bindings == ()


@pytest.mark.parametrize("command", ["check", "plan", "run", "fmt"])
def test_programs_and_plans_with_a_byte_order_mark(folder: Path, command: str) -> None:
    (folder / "b.poe").write_text("x ~ Normal(0, 1)\n", encoding="utf-8-sig")
    assert poe(command, "b.poe", *(QUICK if command == "run" else ()))[0] == 0
    text = poedsl.compile(folder / "b.poe").to_json()
    (folder / "plan.json").write_text(text, encoding="utf-8-sig")
    assert poedsl.load("\ufeff" + text).to_json() == text
    if command in ("plan", "run"):
        assert poe(command, "plan.json")[0] == 0
