"""Data for many inputs: files, frames and mappings, what is missing in them and what is odd."""

from __future__ import annotations

import builtins
import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import poedsl
from poedsl.compiler.plan.plan_parts import Array
from poedsl.grammar.diagnostics import Diagnostic

PROGRAM = """
input x : Real[_]
input n : Int[_]
input scale : Real = 1
b : Real
b ~ Normal(0, 1) * exp(-sum((x - b * n)^2) / scale)
"""
PLAN = poedsl.compile(PROGRAM)
VALUES = {"x": [0.5, -1.5], "n": [1.0, 2.0]}


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    def written(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return written


def values(plan: poedsl.Plan) -> dict[str, Any]:
    return {
        n: np.frombuffer(v.data, v.dtype).reshape(v.shape).tolist() if isinstance(v, Array) else v
        for n, v in plan.spec.bindings
    }


def problem(*data: Any, **given: Any) -> Diagnostic:
    with pytest.raises(poedsl.PoeError) as caught:
        PLAN.bind(*data, **given)
    (found,) = caught.value.diagnostics
    return found


@pytest.mark.parametrize(
    "text",
    [
        "x,n\n0.5,1\n-1.5,2\n",
        "x;n\n0,5;1\n-1,5;2\n",
        "x\tn\r\n0.5\t1\r\n-1.5\t2\r\n",
        '# a comment\n\n"x","n"\n"0.5","1"\n# another\n"-1.5","2"',
        '"n", "x", "the, ""other"" one"\n1, .5, a\n2, -15e-1, "b\nc"\n',
        ",x,n\n0,0.5,1\n1,-1.5,2.0\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_tables_of_text(write: Any, text: str, encoding: str) -> None:
    assert values(PLAN.bind(write("d.csv", text.encode(encoding)))) == VALUES
    assert values(PLAN.bind(str(write("d.tsv", text.encode(encoding))))) == VALUES


def test_json_npz_and_mappings(write: Any, tmp_path: Path) -> None:
    text = json.dumps({"n": [1, 2], "x": [0.5, -1.5], "scale": 2, "label": "none"})
    assert values(PLAN.bind(write("d.json", "\ufeff" + text))) == {**VALUES, "scale": 2}
    np.savez(tmp_path / "d.npz", **VALUES)
    assert values(PLAN.bind(tmp_path / "d.npz")) == VALUES
    assert values(PLAN.bind({"x": VALUES["x"]}, {"n": [1, 2]})) == VALUES


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_frames(library: str, tmp_path: Path) -> None:
    module = pytest.importorskip(library)
    make = module.table if library == "pyarrow" else module.DataFrame
    frame = make({"x": [0.5, -1.5], "n": [1, 2], "label": ["a", "b"]})
    assert values(PLAN.bind(frame)) == VALUES
    if library == "pandas":
        assert values(PLAN.bind(**frame[["x", "n"]])) == VALUES
    holed = make({"x": [0.5, None, 2.0], "n": [1, 2, 3]})
    found = problem(holed)
    assert found.code == "P0608" and "row 2" in found.message and "`x`" in found.message
    assert problem(make({"x": [1.0], "n": ["one"]})).code == "P0602"
    assert problem(make({"x": [1.0], "n": [0.5]})).code == "P0602"
    assert problem(make({"x": [], "n": []})).code == "P0611"


def test_what_pandas_alone_has() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"x": pandas.array([1, None], "Int64"), "n": [1, 2]})
    assert problem(frame).code == "P0608"
    assert problem(n=[1, 2], x=frame["x"]).code == "P0608"
    twice = pandas.DataFrame([[1, 2]], columns=["x", "x"])
    assert problem(twice).code == "P0611"
    dates = pandas.DataFrame({"x": pandas.to_datetime(["2020-01-01"]), "n": [1]})
    assert problem(dates).code == "P0602"


def test_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = importlib.import_module("pyarrow.parquet")
    path = tmp_path / "d.parquet"
    parquet.write_table(pyarrow.table({"x": [0.5, -1.5], "n": [1, 2]}), path)
    assert values(PLAN.bind(path)) == VALUES
    assert values(PLAN.bind(x=path, n=path)) == VALUES
    path.write_bytes(b"PAR1")
    assert problem(path).code == "P0604"

    def missing(name: str, *more: Any) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    found = problem(path)
    assert found.code == "P0604" and "install" in found.notes[0]


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("", "P0611", ["empty"]),
        (" \n# only a comment\n", "P0611", ["empty"]),
        ("x,n\n", "P0611", ["header"]),
        ("1,2\n3,4\n", "P0611", ["header"]),
        ("x,n\n1,2\n3\n", "P0611", ["line 1 has 2", "line 3 has 1"]),
        ("x,n,x\n1,2,3\n", "P0611", ["`x`", "1, 3"]),
        ('x,n\n1,"2\n', "P0611", ["line"]),
        ("x,n\n1,2\n,3\n", "P0608", ["row 2 (line 3)", "`x`"]),
        ("x,n\n1,NA\n2,nan\n", "P0608", ["row 1 (line 2), row 2 (line 3)", "`n`"]),
        ("x,n\n1,2\n\nthree,4\n", "P0602", ["row 2 (line 4)", '"three"']),
        ("x,n\n1,2.5\n", "P0602", ["row 1", "2.5", "whole"]),
        ("x,n\n1_000,2\n", "P0602", ["1_000"]),
        ("x,n\ninf,2\n", "P0602", ["inf"]),
        ("x;n\n1,5;2\n2.5;3\n", "P0611", ['"1,5" in line 2', '"2.5" in line 3']),
        ("x;n\n1,234;2\n", "P0611", ["1.234 or 1234"]),
        ("x;n\n1.234,5;2\n", "P0611", ["1.234,5"]),
    ],
)
def test_faults_of_tables(write: Any, text: str, code: str, words: list[str]) -> None:
    found = problem(write("d.csv", text))
    assert found.code == code
    assert all(word in found.message for word in words), found.message


def test_a_decimal_comma_among_others(write: Any) -> None:
    """One number that has no other meaning decides for all of a table."""
    plan = PLAN.bind(write("d.csv", "x;n\n1,234;1\n1,5;2\n"))
    np.testing.assert_allclose(values(plan)["x"], [1.234, 1.5], rtol=1e-6)


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("", "P0611", "empty"),
        ("[1, 2]", "P0611", "list"),
        ("3", "P0611", ""),
        ("{", "P0604", ""),
        ('{"x": [1], "x": [2]}', "P0611", "`x`"),
        ('{"x": [1, NaN], "n": [1, 2]}', "P0608", "`x[1]`"),
        ('{"x": [1, null], "n": [1, 2]}', "P0608", "`x[1]`"),
        ('{"x": [1, Infinity], "n": [1, 2]}', "P0602", "finite"),
        ('{"x": [1, "2"], "n": [1, 2]}', "P0602", "`x[1]`"),
        ('{"x": [[1, 2], [3]], "n": [1, 2]}', "P0602", "[1]"),
        ('{"x": [1], "n": [1.5]}', "P0602", "`n[0]`"),
        ('{"x": [[1, 2], [3, 4]], "n": [1]}', "P0603", "[2, 2]"),
    ],
)
def test_faults_of_json(write: Any, text: str, code: str, words: str) -> None:
    found = problem(write("d.json", text))
    assert found.code == code and words in found.message


def test_files_that_hold_no_data(write: Any, tmp_path: Path) -> None:
    for data in (tmp_path / "nothing.csv", write("d.txt", "x,n\n1,2\n"), tmp_path):
        assert problem(data).code == "P0604"
    assert problem(write("d.csv", "x,n\né,1".encode("latin-1"))).code == "P0604"
    assert problem(3).code == "P0602"


def test_which_value_is_used(write: Any) -> None:
    """Values by name win; two files with one input are refused."""
    first, second = write("a.json", '{"x": [1], "n": [1]}'), write("b.json", '{"x": [2]}')
    assert values(PLAN.bind(first, x=[3]))["x"] == [3]
    found = problem(first, second)
    assert found.code == "P0609" and {"a.json", "b.json"} <= {*found.message.split()}
    assert problem(first, second, y=1).code in ("P0605", "P0609")


def test_what_no_input_takes_is_noted(write: Any) -> None:
    plan = PLAN.bind({"x": [1], "n": [1], "other": 1})
    assert [(d.code, d.severity) for d in plan.diagnostics[-1:]] == [("P0610", "note")]
    plan = PLAN.bind({"x": [1], "n": [1], "scales": 1})
    assert ("P0610", "warning") in [(d.code, d.severity) for d in plan.diagnostics]
    assert problem(other=1).code == "P0605"


def test_tables_of_one_input(write: Any) -> None:
    """A column of the input's name, else all columns, with or without a header."""
    plan = poedsl.compile("input X : Real[_, 2]\nb : Real\nb ~ Normal(0, 1) * exp(-sum(X * b^2))")
    for text in ("1,2\n3,4\n", "a,b\n1,2\n3,4\n"):
        assert values(plan.bind(X=write("d.csv", text)))["X"] == [[1, 2], [3, 4]]
    table = write("d.csv", "x,n\n1,2\n3,4\n")
    assert values(PLAN.bind(x=table, n=table)) == {"x": [1, 3], "n": [2, 4]}
    assert problem(x=write("e.csv", "a,b\n1,2\n")).code == "P0603"
    assert values(PLAN.bind(x=write("f.csv", "a\n1\n2\n")))["x"] == [1, 2]


def test_a_run_binds_inputs() -> None:
    few: dict[str, Any] = {"particles": 16, "steps": 4, "seed": 1}
    run = PLAN.run(x=[1.0], n=[1], **few)
    assert run.plan == PLAN.bind(x=[1.0], n=[1]).run(**few).plan
    stages = list(PLAN.stream(x=[1.0], n=[1], **few))
    assert stages[-1].record == run.stages[-1] or len(stages) == len(run.stages)
    with pytest.raises(poedsl.PoeError) as caught:
        PLAN.run(x=[1.0], n=[1], y=2)
    assert caught.value.diagnostics[0].code == "P0501"


def test_frames_need_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Data of lists are read where none of the libraries of frames is installed."""
    real = builtins.__import__

    def without(name: str, *more: Any, **keywords: Any) -> Any:
        if name.partition(".")[0] in ("pandas", "polars", "pyarrow"):
            raise ImportError(name)
        return real(name, *more, **keywords)

    monkeypatch.setattr(builtins, "__import__", without)
    assert values(PLAN.bind({"x": [0.5, -1.5], "n": [1, 2]})) == VALUES
