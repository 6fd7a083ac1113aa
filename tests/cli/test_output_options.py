"""Short options, and how much the command ``poe`` writes."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from poedsl.cli.main import app
from poedsl.cli.unsaved_variables import unsaved
from poedsl.compiler.plan.plan import PlanSpec
from tests.cli.test_main import QUICK, ROOT, Poe, poe, write

__all__ = ["poe"]

DIGITS = "let half = box(0, 0, 0.5, 1)\nx : Image[1, 8, 8]\nx ~ Normal(0.5, 0.1)\n"
COMMANDS = [c.callback.__name__ for c in app.registered_commands if c.callback is not None]


@pytest.fixture
def quiet_logger() -> Iterator[None]:
    """Takes what ``--verbose`` set off the logger again."""
    yield
    logger = logging.getLogger("poedsl")
    logger.handlers = []
    logger.setLevel(logging.NOTSET)


@pytest.mark.parametrize("command", ["[OPTIONS]", *COMMANDS])
def test_help_by_a_short_option(poe: Poe, command: str) -> None:
    words = [command] if command in COMMANDS else []
    short, long = poe(*words, "-h"), poe(*words, "--help")
    assert short == long and short.code == 0
    assert short.out.startswith("Usage: ") and f" {command} " in f"{short.out.splitlines()[0]} "


@pytest.mark.slow
def test_the_output_folder_by_a_short_option(poe: Poe) -> None:
    done = poe("run", "-", *QUICK, "-o", "out", stdin="x ~ Normal(0, 1)")
    assert done.code == 0 and "written to    out" in done.out


def test_quiet_runs_write_the_verdict_and_the_evidence(poe: Poe) -> None:
    text = "input unused : Real\n" + DIGITS
    done = poe("run", "-", *QUICK, "--quiet", "--set", "unused=1", stdin=text)
    assert done.err == ""
    assert [line.split()[0] for line in done.out.splitlines()] == ["verdict", "log"]
    done = poe("run", "-", "-q", "--out", "out", *QUICK, "--set", "unused=1", stdin=text)
    assert [line.split()[0] for line in done.out.splitlines()] == ["verdict", "log", "written"]


def test_quiet_commands_write_errors(poe: Poe) -> None:
    unused = "input s : Real\nx ~ Normal(0, 1)\n"
    assert poe("check", "-q", "-", stdin=unused).out == ""
    assert poe("check", "-q", "-", stdin=unused).err == ""
    assert poe("plan", "-q", "-", stdin=unused).err == ""
    done = poe("check", "-q", "-", stdin=f"{unused}y ~ Normal(0, -1)\n")
    assert done.code == 1 and "P0307" in done.err and "P0801" not in done.err
    file = write("x~Normal(0,1)\n")
    assert poe("fmt", "-q", file).err == ""


def test_verbose_runs_log_stages(poe: Poe, quiet_logger: None) -> None:
    done = poe("run", "-", *QUICK, "--verbose", stdin="x ~ Normal(0, 1)")
    assert done.err.count("StageRecord(") == 5 and "poedsl.runtime.run" in done.err
    assert "StageRecord" not in done.out
    assert poe("run", "-", "-q", "-v", stdin="x ~ Normal(0, 1)").code == 2


@pytest.mark.parametrize("command", ["check", "plan", "run"])
def test_tracebacks_of_internal_errors(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    from poedsl.cli.entry import entry

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no luck")

    monkeypatch.delenv("POE_TRACEBACK", raising=False)
    for module in ("check", "open_plan"):
        monkeypatch.setattr(f"poedsl.cli.{module}.compile_source", fail)
    file = str(ROOT / "programs" / "circle.poe")
    monkeypatch.setattr("sys.argv", ["poe", command, file])
    with pytest.raises(SystemExit) as ended:
        entry()
    assert ended.value.code == 70 and "--traceback" in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", ["poe", command, file, "--traceback"])
    with pytest.raises(RuntimeError, match="no luck"):
        entry()


@pytest.mark.slow
def test_pictures_that_are_not_saved_are_said_to_be(poe: Poe) -> None:
    done = poe("run", "-", *QUICK, stdin=DIGITS)
    assert "note: the pictures of `x` are not saved; `--out FOLDER` saves them" in done.err
    assert "saved" not in poe("run", "-", *QUICK, "-o", "out", stdin=DIGITS).err
    assert "saved" not in poe("run", "-", *QUICK, stdin="x ~ Normal(0, 1)").err


def test_what_is_left_unsaved() -> None:
    from poedsl.compiler.plan.plan_parts import VariableSpec
    from poedsl.grammar.types import Type

    variables = [
        VariableSpec(n, Type(t)) for n, t in (("a", "Video"), ("b", "Real"), ("c", "Tokens"))
    ]
    plan = PlanSpec("p", (), tuple(variables), (), ())
    assert unsaved(plan) == "the films of `a` and the texts of `c`"


def test_costs_by_the_weights_of_a_profile(poe: Poe) -> None:
    file = str(ROOT / "programs" / "playroom" / "rooms.poe")
    costs = {p: poe("plan", file, "--profile", p).out for p in ("default", "small")}
    assert "201 evaluations of 16 particles, about 1.1 min" in costs["default"]
    assert "201 evaluations of 16 particles, about 23 s" in costs["small"]
    write('[profile.mine.models]\nroom = "somewhere"\n', "poe.toml")
    done = poe("plan", write('x ~ room("couch")'), "--profile", "mine")
    assert "if the weights are as large as the default ones" in done.out
    assert "P0710" in poe("plan", file, "--profile", "nothing").err
