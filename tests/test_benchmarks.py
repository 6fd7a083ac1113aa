"""Benchmarks for machines that tests do not run on, at a size that they do."""

from __future__ import annotations

import argparse
import importlib
import json
from pathlib import Path

import pytest

from benchmarks import flux_speed

BENCHMARKS = Path(flux_speed.__file__).parent


@pytest.mark.slow
def test_flux_speed_runs_small() -> None:
    rows = flux_speed.measure(flux_speed.SIZES["small"], "cpu")
    assert rows.keys() == {"insert", "layout"}
    # A move and a Langevin step at every stage but the last, the start, and two updates of `given`.
    assert rows["insert"]["calls"] == 7 + 2 * 7
    assert rows["layout"]["calls"] == 6 * 7
    assert all(row["outside"] < 1 for row in rows.values())


def test_tables_of_the_playroom_have_their_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    figures = importlib.import_module("benchmarks.figures")
    args = argparse.Namespace(out=tmp_path / "table.json")
    figures.report(args, ("one", "two"), {"a": [[1.0, 2.0], [3.0, 2.0]], "b": [[0.5, 0.25]]})
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[1:]] == [
        ["a", "2.000", "+-", "1.000", "2.000", "+-", "0.000"],
        ["b", "0.500", "+-", "0.000", "0.250", "+-", "0.000"],
    ]
    rows = json.loads(args.out.read_text())["rows"]
    assert rows == {"a": {"one": [1, 3], "two": [2, 2]}, "b": {"one": [0.5], "two": [0.25]}}
