"""The statement `report`: its names, its errors, and the word as a name elsewhere."""

from __future__ import annotations

from dataclasses import replace

import pytest

import poedsl
from poedsl.compiler.plan.plan_parts import ReportSpec
from poedsl.compiler.plan.terms import Apply, Const, Ref
from poedsl.compiler.plan.text import parse_plan, print_plan
from poedsl.compiler.verification.verify import verify
from poedsl.grammar.formatting.format import format_source
from poedsl.grammar.types import REAL, Type
from tests.compiler.programs import codes, planned

BASE = "input s : Real = 2\nmu ~ Normal(0, 1)\ny : Real[2]\ny ~ Normal(mu, s)\n"


def test_names_and_types() -> None:
    text = "let gap = y[0] - mu\nreport gap, mu  *  2, both = 3 * y, y > 0, mu, s\nreport k = 2\n"
    plan = planned(BASE + text)
    assert [(r.name, str(r.type)) for r in plan.reports] == [
        ("gap", "Real"),
        ("mu * 2", "Real"),
        ("both", "Real[2]"),
        ("y > 0", "Bool[2]"),
        ("s", "Real"),
        ("k", "Int"),
    ]
    assert parse_plan(print_plan(plan)) == plan
    assert poedsl.load(plan.to_json()).spec == plan
    assert planned(BASE).to_json().count("reports") == 0


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("report mu * 2, mu * 2", "P0203"),
        ("report y = mu", "P0203"),
        ("report parents = mu", "P0203"),
        ("report nu", "P0201"),
        ('report t = "text"', "P0311"),
        ("report Normal(0, 1)", "P0403"),
        ("report (mu)", "P0116"),
        ("report mu y", "P0103"),
        ("report mu,", "P0102"),
        ("for i in range(2):\n    report y[i]", "P0413"),
    ],
)
def test_errors(statement: str, code: str) -> None:
    assert codes(BASE + statement) == [code]


@pytest.mark.parametrize(
    "text",
    [
        "report : Real[2]\nreport ~ Normal(0, 1)\nreport[0] ~ Normal(0, 1)\n",
        "let report = 2\nx ~ Normal(report - 1, report)\n",
        "expert report(m) = Normal(m, 1)\nx ~ report (2)\n",
        "x : Real[2]\nx ~ Normal(0, 1)\nfor report in [0, 1]:\n    x[report] ~ Normal(0, 1)\n",
        "report ~ Normal(0, 1)\nsample report by anneal()\n",
        "report ~ Normal(0, 1)\nx ~ Normal(0, 1) * where(report > 0 or not report < -1)\n",
    ],
)
def test_the_word_is_a_name_elsewhere(text: str) -> None:
    assert codes(text) == []
    assert codes(format_source(text)) == []


def test_the_form() -> None:
    assert format_source("report  a ,b=a*2\n") == "report a, b = a * 2\n"


@pytest.mark.parametrize(
    "report",
    [
        ReportSpec("mu", REAL, Ref("mu")),
        ReportSpec("r", REAL, Ref("nu")),
        ReportSpec("r", Type("Real", (2,)), Ref("mu")),
        ReportSpec("r", REAL, Apply("digit_score", (), (("label", Const(3)),))),
    ],
)
def test_changed_plans(report: ReportSpec) -> None:
    plan = planned(BASE)
    assert "reports[0]" in verify(replace(plan, reports=(report,)))
