"""Warnings of a run: values with a code and data."""

from __future__ import annotations

import ast
import json
import math
import re

import pytest

import poedsl
from poedsl.runtime.core.warnings import RunWarning, WarningLog, of_factors
from tests.test_imports import modules

#: Codes whose title says all that there is to say.
WITHOUT_DATA = {"P1108", "P1111", "P1113"}


def test_the_state_of_a_log_has_the_data() -> None:
    log, again = WarningLog(), WarningLog()
    log.add("P1001", "f is not finite", once="f", factor="f", stage=3)
    again.restore(json.loads(json.dumps(log.state())))
    again.add("P1001", "f is not finite at another stage", once="f", factor="f", stage=2)
    assert list(again) == list(log)
    assert [w.data for w in again] == [{"factor": "f", "stage": 3}]


def test_warnings_as_json() -> None:
    warning = RunWarning("P1017", "islands disagree", {"component": "x", "r_hat": math.inf})
    assert warning.as_json()["data"] == {"component": "x", "r_hat": None}
    one, two = {"factor": "f", "place": "1:1"}, {"factor": "g", "place": "2:1"}
    assert of_factors([("f", "1:1")]) == one
    assert of_factors([("f", "1:1"), ("g", "2:1")]) == {"factors": [one, two]}


@pytest.mark.parametrize(
    ("program", "options", "code", "data"),
    [
        (
            "y : Tokens[3]\ny ~ Categorical([0.5, 0.5]) * Categorical([1, 0])^-1",
            {"steps": 3},
            "P1008",
            {"factor": "Categorical_2", "place": "<string>:2:31", "stage": 3},
        ),
        (
            "x ~ Normal(0, 1) * exp(-50 * (x - 4)^2)",
            {"steps": 3, "path": "temper(base = Normal(0, 1))"},
            "P1004",
            {"option": "path"},
        ),
        (
            "input m : Mask = [[1, 1]]\nx : Image[1, 1, 2]\nx ~ Normal(0, 1)^m",
            {"steps": 3},
            "P1010",
            {"factor": "Normal", "place": "<string>:3:5", "value": 1.0},
        ),
    ],
)
def test_data_of_a_run(
    program: str, options: dict[str, object], code: str, data: dict[str, object]
) -> None:
    result = poedsl.compile(program).run(particles=20, seed=0, **options)
    warning = next(w for w in result.warnings if w.code == code)
    assert data.items() <= warning.data.items()


def test_reasons_of_the_evidence_have_data() -> None:
    program = "y : Tokens[3]\ny ~ Categorical([0.5, 0.5]) * Categorical([1, 0])^-1"
    (reason,) = poedsl.compile(program).run(particles=20, seed=0).evidence.reasons
    assert reason.code == "P1107" and reason.data["factor"] == "Categorical_2"
    plan = poedsl.compile("x ~ Normal(0, 1) * Normal(1, 1)")
    result = plan.run(particles=200, steps=5, correct="fkc()", move="sde()", kernel="langevin()")
    approximate = {w.data["option"]: w.data for w in result.evidence.reasons if w.code == "P1120"}
    assert approximate["kernel"] == {"option": "kernel", "form": "langevin"}


@pytest.mark.slow
def test_every_warning_has_data() -> None:
    bare = set()
    for path in modules().values():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(args=[ast.Constant(value=str(code)), _], keywords=keywords):
                    if re.fullmatch(r"P1[01]\d\d", code) and {k.arg for k in keywords} <= {"once"}:
                        bare.add(code)
    assert bare == WITHOUT_DATA
