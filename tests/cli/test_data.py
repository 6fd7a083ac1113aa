"""Data files on the command line: `--data` of `poe run`, `poe plan` and `poe inputs`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.test_inputs import QUICK, poe

PROGRAM = """
input N : Int
input y : Real[N]
input scale : Real = 1
x ~ Normal(0, 1) * exp(-sum((y - x)^2) / scale)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "program.poe").write_text(PROGRAM)
    (tmp_path / "d.json").write_text('{"y": [1, 2, 3], "other": 1}')
    (tmp_path / "e.csv").write_text("y,scale\n1,\n2,3\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_run(folder: Path) -> None:
    code, out, err = poe("run", "program.poe", "--data", "d.json", *QUICK)
    assert code == 0 and "log evidence" in out and "P0610" not in err
    code, _, err = poe("run", "program.poe", "--data", "d.json", "--set", "N=2", *QUICK)
    assert code == 1 and "error[P0603]" in err
    code, _, err = poe("run", "program.poe", "--data", "e.csv", *QUICK)
    assert code == 1 and "error[P0608]" in err and "row 1 (line 2)" in err
    code, _, err = poe("run", "program.poe", "--data", "e.csv", "--set", "scale=2", *QUICK)
    assert code == 0
    code, _, err = poe("run", "program.poe", "--data", "d.json", "--data", "e.csv", *QUICK)
    assert code == 1 and "error[P0609]" in err
    code, _, err = poe("run", "program.poe", "--data", "no.json", *QUICK)
    assert code == 1 and "error[P0604]" in err


def test_a_plan_keeps_data(folder: Path) -> None:
    code, out, err = poe("plan", "program.poe", "--emit=json", "--data", "d.json")
    assert code == 0 and "without a value" not in err
    (folder / "plan.json").write_text(out)
    assert poe("run", "plan.json", *QUICK)[0] == 0
    code, _, err = poe("plan", "program.poe")
    assert code == 0 and "`y : Real[N]`" in err and "scale" not in err


def test_inputs(folder: Path) -> None:
    code, out, _ = poe("inputs", "program.poe")
    assert code == 1
    assert [line.split("  ")[-1] for line in out.splitlines()] == [
        *("no value", "no value", "default: 1")
    ]
    code, out, _ = poe("inputs", "program.poe", "--data", "d.json", "--set", "scale=2")
    assert code == 0
    assert [line.split("  ")[-1] for line in out.splitlines()] == [
        *("a size of other inputs", "bound: 3 numbers", "bound: 2")
    ]
