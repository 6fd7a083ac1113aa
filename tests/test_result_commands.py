"""The commands of a session about its last run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import poedsl
from poedsl.interface.session import Session
from tests.test_session import fed, refusal, reply


@pytest.fixture(scope="module")
def session() -> Session:
    return fed(
        "x : Real[2]",
        "x ~ Normal([0, 100], 1)",
        "z ~ Normal(0, 1)",
        "report square = z^2",
        "%run particles=40 steps=3",
    )


def test_variables_are_shown_one_by_one(session: Session) -> None:
    answer = reply(session, "%show x")
    head, names, *rows = answer.text.splitlines()
    assert head == "x : Real[2]" and names.split()[0] == "mean"
    assert [row.split()[0] for row in rows] == ["x[0]", "x[1]"]
    assert session.result is not None and answer.value is session.result.particles["x"]
    everything = reply(session, "%show").text
    assert answer.text in everything and "z : Real" in everything
    assert reply(session, "%show square").text.splitlines()[-1].split()[0] == "square"


def test_draws_are_a_row_each(session: Session) -> None:
    answer = reply(session, "%draws 3")
    head, *rows = (line.split() for line in answer.text.splitlines())
    assert head == ["x[0]", "x[1]", "z", "square"] and len(rows) == 3
    for k, row in enumerate(rows):
        shown = [answer.value["x"][k, 0], answer.value["x"][k, 1]]
        shown += [answer.value["z"][k], answer.value["square"][k]]
        assert row == [str(k), *(f"{float(v):.4g}" for v in shown)]
    assert len(reply(session, "%draws").text.splitlines()) == 11
    assert reply(session, "%draws 0").value["z"].shape == (0,)


@pytest.mark.slow
def test_results_are_written(session: Session, tmp_path: Path) -> None:
    reply(session, f"%out {tmp_path / 'run'}")
    again = poedsl.Result.load(tmp_path / "run")
    assert session.result is not None
    assert torch.equal(again.particles["x"], session.result.particles["x"])
    assert json.loads((tmp_path / "run" / "result.json").read_text())["seed"] == 0
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("mine")
    assert [d.code for d in refusal(session, f"%out {tmp_path / 'mine'}").items] == ["P0712"]


@pytest.mark.parametrize("line", ["%show nothing", "%draws many", "%draws -1", "%draws 1.5"])
def test_what_there_is_nothing_of(session: Session, line: str) -> None:
    assert [d.code for d in refusal(session, line).items] == ["P0901"]


@pytest.mark.parametrize("line", ["%show", "%draws", "%out there", "%report"])
def test_before_a_run_there_is_no_result(line: str) -> None:
    assert [d.code for d in refusal(Session(), line).items] == ["P0901"]


def test_symbols_are_shown_by_probability() -> None:
    session = fed("c : Category[3]", "c ~ Categorical([0.2, 0.3, 0.5])", "%run particles=50")
    _, *rows = reply(session, "%show c").text.splitlines()
    shares = [float(row.split()[0]) for row in rows]
    assert shares == sorted(shares, reverse=True) and sum(shares) == pytest.approx(1, abs=1e-3)


def test_pictures_are_drawn_in_characters() -> None:
    session = fed(
        "x : Image[1, 2, 4]",
        "x ~ Normal([[[0, 0, 1, 1], [1, 1, 0, 0]]], 0.001)",
        "%run particles=5 steps=4",
    )
    _, title, *rows = reply(session, "%show x").text.splitlines()
    assert session.result is not None
    assert title.strip() == f"particle {session.result.best_index}, with the highest score"
    assert [row[2:] for row in rows] == ["    @@@@", "@@@@    "]
    assert len(reply(session, "%draws 2").text.splitlines()) == 3


def test_profiles_of_runs() -> None:
    session = Session(profile="nothing")
    reply(session, "x ~ Normal(0, 1)")
    assert [d.code for d in refusal(session, "%run particles=4").items] == ["P0710"]
    assert reply(session, "%run particles=4 steps=2 profile=small").value is session.result
    assert reply(session, '%run particles=4 steps=2 profile="small"').value is session.result
    assert [d.code for d in refusal(session, "%run profile=nothing").items] == ["P0710"]
