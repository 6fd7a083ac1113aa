"""``poe check --fix``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from poedsl.cli.main import app

WRONG = "x : Real\nx ~ Normal(0, 1) ** 2 * where(0 < x < 1)\nx ~ where(x < 1 && x > 0)\n"
RIGHT = "x : Real\nx ~ Normal(0, 1) ^ 2 * where(0 < x and x < 1)\nx ~ where(x < 1 and x > 0)\n"


def poe(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(app, arguments, input=stdin)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "program.poe"
    path.write_text(WRONG)
    return path


def test_a_file_is_fixed_until_nothing_safe_is_left(file: Path) -> None:
    done = poe("check", "--fix", str(file))
    assert done.exit_code == 0, done.output
    assert file.read_text() == RIGHT
    assert done.stdout.endswith(f"{file}: ok\n")
    assert [line for line in done.stderr.splitlines() if ": fixed " in line] == [
        f"{file}:2:18: fixed `**` is not an operator of the language: powers are written `^`",
        f"{file}:3:17: fixed `&&` is not an operator of the language: "
        "the conjunction is written `and`",
        f"{file}:2:36: fixed comparisons do not chain: two comparisons are joined by `and`",
    ]


def test_standard_input_goes_to_standard_output() -> None:
    done = poe("check", "--fix", "-", stdin=WRONG)
    assert (done.exit_code, done.stdout) == (0, RIGHT)
    assert "<stdin>:2:18: fixed" in done.stderr


def test_what_is_left_is_reported(file: Path) -> None:
    text = "x : Real\nx ~ Normal(0, 1)\nx ~ Normal(0 1)\nlet a = 3;\n"
    file.write_text(text)
    done = poe("check", "--fix", "--diagnostics=json", str(file))
    assert done.exit_code == 1
    assert [d["code"] for d in json.loads(done.stdout) if d["severity"] == "error"] == ["P0103"]
    assert file.read_text() == text.replace(";", "")


def test_a_fix_that_leaves_as_many_errors_is_not_kept(file: Path) -> None:
    text = "x : Real\nx ~ nosuchexpert('a')\n"
    file.write_text(text)
    assert poe("check", "--fix", str(file)).exit_code == 1
    assert file.read_text() == text


def test_a_fix_that_helps_is_kept_beside_one_that_does_not(file: Path) -> None:
    text = "x : Real\nx ~ nosuch('a') * nosuch(b) * nosuch(c)\nlet a = 3;\n"
    file.write_text(text)
    done = poe("check", "--fix", str(file))
    assert (done.exit_code, done.stderr.count(": fixed ")) == (1, 1)
    assert file.read_text() == text.replace(";", "")


def test_nothing_to_fix(file: Path) -> None:
    file.write_text("x ~ Normal(0, 1)\n")
    before = file.stat().st_mtime_ns
    done = poe("check", "--fix", str(file))
    assert done.exit_code == 0
    assert "fixed" not in done.output
    assert file.stat().st_mtime_ns == before


def test_what_is_not_applied_is_reported_with_the_way_by_hand(file: Path) -> None:
    file.write_text(
        "x : Real\nx ~ Normal(0 1)\nx ~ Nomral(0, 1)\nx ~ Normal(0, 1) && Normal(1, 1)\n"
    )
    done = poe("check", "--fix", str(file))
    assert done.exit_code == 1
    assert [line for line in done.stderr.splitlines() if line.startswith(str(file))] == [
        f"{file}:4:18: fixed `&&` does not join factors: factors are joined by `*`",
        f"{file}:2:14: not applied: may be incorrect: arguments and items are separated by `,`; "
        "write `,` at 2:13",
        f"{file}:3:5: not applied: may be incorrect: there is one with a similar name: `Normal`; "
        "write `Normal` for `Nomral`",
    ]
    assert "Normal(0, 1) * Normal(1, 1)" in file.read_text()
