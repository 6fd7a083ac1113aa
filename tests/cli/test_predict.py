"""`poe predict`: from a program, from the folder of a run, and from the prior."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.test_inputs import QUICK, poe

PROGRAM = "input N : Int\ninput y : Real[N]\nmu ~ Normal(0, 2)\ny ~ Normal(mu, 1)\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "program.poe").write_text(PROGRAM)
    (tmp_path / "d.json").write_text('{"y": [1, 2, 3]}')
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_programs_and_folders(folder: Path) -> None:
    code, out, _ = poe("predict", "program.poe", "--data", "d.json", *QUICK)
    assert code == 0 and [line.split()[0] for line in out.splitlines()[1:4]] == [
        *("y[0]", "y[1]", "y[2]")
    ]
    assert poe("run", "program.poe", "--data", "d.json", "--out", "out", *QUICK)[0] == 0
    code, _, _ = poe("predict", "out", "--draws", "40", "--out", "p.npz")
    assert code == 0 and np.load("p.npz")["y"].shape == (40, 3)
    code, _, _ = poe("predict", "out", "--draws", "5", "--out", "p.json")
    assert code == 0 and np.shape(json.loads(Path("p.json").read_text())["y"]) == (5, 3)


def test_the_prior(folder: Path) -> None:
    code, out, _ = poe("predict", "program.poe", "--prior", "--set", "N=2", *QUICK)
    assert code == 0 and len(out.splitlines()) == 3


def test_errors(folder: Path) -> None:
    (folder / "plain.poe").write_text("x ~ Normal(0, 1)\n")
    (folder / "empty").mkdir()
    code, _, err = poe("predict", "plain.poe", *QUICK)
    assert code == 3 and "error[P0715]" in err
    code, _, err = poe("predict", "empty")
    assert code == 1 and "error[P0713]" in err
    code, _, err = poe("predict", "program.poe")
    assert code == 1 and "error[P0601]" in err
    assert poe("predict", "program.poe", "--out", "x.txt")[0] == 2
    assert poe("predict", "empty", "--prior")[0] == 2
