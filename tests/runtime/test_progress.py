"""Progress is one line on a terminal, and a line now and then in a pipe."""

from __future__ import annotations

import io
import sys
from dataclasses import replace

import pytest

import poedsl
from poedsl.runtime.results.progress import EVERY, Progress, facts

PROGRAM = "x ~ Normal(0, 1) * exp(x)\nsample x by anneal(particles = 20, steps = 5, path = flow())"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(scope="module")
def result() -> poedsl.Result:
    return poedsl.compile(PROGRAM).run(seed=0)


def test_a_pipe_has_a_line_at_most_every_so_often(
    result: poedsl.Result, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [100.0]
    with Progress(clock=lambda: now[0]) as shown:
        for record in result.stages:
            now[0] += EVERY / 2
            shown(record, len(result.stages))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == len(result.stages) // 2
    assert lines[0].startswith(f"poe: 2 of {len(result.stages)} stages") and "left" in lines[0]
    assert f"about {EVERY / 2 * (len(result.stages) - 2):.0f} s" in lines[0]


def test_short_and_quiet_runs_write_none(
    result: poedsl.Result, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [0.0]
    with Progress() as short, Progress(shown=False, clock=lambda: now[0]) as quiet:
        for record in result.stages:
            now[0] += 10 * EVERY
            short(record, 6)
            quiet(record, 6)
    assert capsys.readouterr().err == ""


def test_a_terminal_has_the_line_only(
    result: poedsl.Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen, now = Terminal(), [0.0]
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    with Progress(clock=lambda: now[0]) as shown:
        for record in result.stages:
            now[0] += 10 * EVERY
            shown(record, len(result.stages))
        shown.bar.refresh()
    text = screen.getvalue()
    assert "poe:" not in text and "\x1b[" in text
    assert f"ESS {result.stages[-1].ess:.0f}" in text


def test_facts_are_what_is_known(result: poedsl.Result) -> None:
    record = replace(result.stages[-1], acceptance=0.25, rewards=(-1.0, 2.0, 3.0))
    assert all(part in facts(record) for part in ("acceptance 0.25", "reward 2", "3"))
    assert "none" in facts(replace(record, rewards=(-1e300, -1e300, 3.0)))
    bare = facts(replace(record, acceptance=None, rewards=(0.0, 0.0, 0.0)))
    assert "reward" not in bare and "acceptance" not in bare
