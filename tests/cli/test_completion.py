"""What the shell offers after Tab, by the functions, and in bash itself."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from poedsl.cli import completion
from poedsl.cli.main import app

PROGRAM = "input label : Int = 3\nx ~ Normal(0, s)\ninput s : Real\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with programs, one below the other, to stand in."""
    (tmp_path / "programs" / "inner").mkdir(parents=True)
    (tmp_path / ".hidden").mkdir()
    for name in ("a.poe", "b.json", "c.txt", "inner/d.poe"):
        (tmp_path / "programs" / name).write_text(PROGRAM, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch) -> typer.Context:
    """Of a command line that names a program and is not parsed."""
    monkeypatch.setenv("COMP_WORDS", "poe\nrun\nprograms/a.poe\n--set\n")
    return typer.Context(typer.main.get_command(app))


def test_files_are_programs_and_folders(folder: Path) -> None:
    assert completion.complete_programs("") == ["programs/a.poe", "programs/inner/"]
    assert completion.complete_programs("programs/i") == ["programs/inner/d.poe"]
    assert completion.complete_programs("nowhere/") == []
    assert completion.complete_plans("programs/") == [
        "programs/a.poe",
        "programs/b.json",
        "programs/inner/",
    ]
    assert completion.complete_programs(".h") == [".hidden/"]
    inside = completion.complete_programs(f"{folder}/programs/a")
    assert inside == [f"{folder}/programs/a.poe"]


def test_inputs_are_those_of_the_program(folder: Path, context: typer.Context) -> None:
    assert completion.complete_inputs(context, "") == ["label=", "label=@", "s=", "s=@"]
    assert completion.complete_inputs(context, "la") == ["label=", "label=@"]
    (folder / "programs" / "a.poe").write_bytes(b"\xff")
    assert completion.complete_inputs(context, "") == []
    (folder / "programs" / "a.poe").unlink()
    assert completion.complete_inputs(context, "") == []


def test_profiles_are_those_of_the_file(folder: Path, context: typer.Context) -> None:
    assert completion.complete_profiles(context, "") == ["default", "small"]
    (folder / "poe.toml").write_text("[profile.studio]\n", encoding="utf-8")
    assert completion.complete_profiles(context, "s") == ["small", "studio"]
    (folder / "poe.toml").write_text("[profile", encoding="utf-8")
    assert completion.complete_profiles(context, "s") == ["small"]


def test_words_of_the_language() -> None:
    assert completion.complete_experts("Norma") == ["Normal"]
    assert "kernel=mala" in completion.complete_options("ker")
    assert completion.complete_options("parti") == ["particles="]
    assert [code for code, _ in completion.complete_codes("p0201")] == ["P0201"]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash(folder: Path) -> None:
    start = "from poedsl.cli.entry import entry; entry()"
    poe = folder / "poe"
    poe.write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -c "import sys; sys.argv[0] = \'poe\'; {start}" "$@"\n'
    )
    poe.chmod(0o755)
    lines = [["poe", "ru"], ["poe", "run", "programs/a.poe", "--set", "la"]]
    tries = "\n".join(
        f"COMP_WORDS=({' '.join(line)}); COMP_CWORD={len(line) - 1}; _poe_completion ./poe; "
        'echo "${COMPREPLY[*]}"'
        for line in lines
    )
    script = f'eval "$(_POE_COMPLETE=source_bash ./poe)"\n{tries}'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert done.stdout.split("\n")[:2] == ["run", "label= label=@"]
