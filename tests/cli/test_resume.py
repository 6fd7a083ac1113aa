"""``poe run --resume``: runs that a signal or an error has stopped, or that were killed."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from benchmarks.kills import content
from poedsl.cli.entry import entry

#: A reward that does something at its calls, as a file beside the program says.
REWARD = '''
import os, pathlib
import poedsl

calls = [0]

@poedsl.reward
def pull(x: poedsl.Real[2]):
    """Sends a signal, or fails, at a call."""
    calls[0] += 1
    order = pathlib.Path(__file__).with_name("order.txt")
    if order.exists():
        number, at = map(int, order.read_text().split())
        if calls[0] == at and number:
            os.kill(os.getpid(), number)
        elif calls[0] == at:
            raise RuntimeError("out of ink")
    return -(x - 1).square().sum(-1)
'''
PROGRAM = (
    'use pull from "own.py:pull"\nx : Real[2]\nx ~ Normal(0, 1) * Normal(1, 2) * exp(pull())\n'
    "sample x by anneal(particles = 8, steps = 6, kernel = none)\n"
)
QUICK = ("--allow-code", "--checkpoint-every", "0")


@pytest.fixture(scope="module")
def modules() -> None:
    """Import here what processes would import each by itself."""
    for name in ("cli.main", "cli.saved_run", "runtime.results.pictures"):
        import_module(f"poedsl.{name}")
    for name in ("h5netcdf", "matplotlib.pyplot", "xarray"):
        import_module(name)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a program, which is the current one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(REWARD)
    (tmp_path / "p.poe").write_text(PROGRAM)
    return tmp_path


def poe(*arguments: str, order: str = "") -> int:
    """The exit code of a command, in a process of its own that has this one's modules."""
    if order:
        Path("order.txt").write_text(order)
    else:
        Path("order.txt").unlink(missing_ok=True)

    def command() -> None:
        # A process in the background ignores it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with open("out.txt", "w") as out, open("err.txt", "w") as err:
            sys.stdout, sys.stderr, sys.argv = out, err, ["poe", *arguments]
            entry()

    process = multiprocessing.get_context("fork").Process(target=command)
    process.start()
    process.join()
    assert process.exitcode is not None
    assert "Traceback" not in said()
    return process.exitcode


def said() -> str:
    return Path("err.txt").read_text()


def state(folder: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(Path(folder, "run.json").read_text())
    return data


@pytest.mark.slow
@pytest.mark.usefixtures("modules")
def test_a_signal_stops_after_the_stage_and_the_run_goes_on(place: Path) -> None:
    assert poe("run", "p.poe", "--allow-code", "--out", "whole") == 0
    expected = content(place / "whole")
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        out = f"out-{code}"
        arguments = ("run", "p.poe", "--allow-code", "--out", out)
        assert poe(*arguments, order=f"{number.value} 3") == code
        assert f"`poe run --resume {out}` goes on after" in said()
        assert state(out)["state"] == "interrupted" and (place / out / "checkpoint.safetensors")
        lines = len((place / out / "log.jsonl").read_text().splitlines())
        assert poe("run", "--resume", out, "--allow-code") == 0
        assert "goes on after" in said()
        assert state(out)["state"] == "finished"
        assert content(place / out) == expected
        assert not (place / out / "checkpoint.safetensors").exists()
        assert len((place / out / "log.jsonl").read_text().splitlines()) == 7 > lines


@pytest.mark.slow
@pytest.mark.usefixtures("modules")
def test_a_run_that_failed_says_why_and_goes_on(place: Path) -> None:
    assert poe("run", "p.poe", "--allow-code", "--out", "whole") == 0
    assert poe("run", "p.poe", *QUICK, "--out", "out", order="0 4") == 3
    assert state("out")["state"] == "failed" and "out of ink" in state("out")["note"]
    assert poe("run", "--resume", "out", *QUICK) == 0
    assert content(place / "out") == content(place / "whole")


@pytest.mark.slow
@pytest.mark.usefixtures("modules")
def test_what_a_checkpoint_does_not_fit_is_refused(place: Path) -> None:
    assert poe("run", "p.poe", *QUICK, "--out", "out", order="15 3") == 143
    assert poe("run", "p.poe", *QUICK, "--out", "out") == 3
    assert "P0720" in said()
    assert poe("run", "--resume", "out") == 3
    assert "P0707" in said(), "code is not allowed by what a folder says"
    assert poe("run", "--resume", "out", *QUICK, "--seed", "5") == 3
    assert "P0722" in said() and "`--seed`" in said()
    (place / "q.poe").write_text(PROGRAM.replace("Normal(1, 2)", "Normal(1, 3)"))
    assert poe("run", "q.poe", "--resume", "out", *QUICK) == 3
    assert "P0722" in said() and "factors" in said()
    (place / "own.py").write_text(REWARD + "\n")
    assert poe("run", "--resume", "out", *QUICK) == 3
    assert "P0722" in said() and "own.py" in said()
    file = place / "out" / "checkpoint.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    assert poe("run", "--resume", "out", *QUICK, "--force") == 3
    assert "P0721" in said()
    file.write_bytes(whole)
    assert poe("run", "--resume", "out", *QUICK, "--force") == 0
    assert poe("run", "--resume", "out") == 0
    assert "has finished" in said()


@pytest.mark.slow
@pytest.mark.usefixtures("modules")
@pytest.mark.parametrize("at", [1, 4])
def test_options_are_those_of_the_run_or_refused(place: Path, at: int) -> None:
    """Before the first checkpoint as after it; what was refused changes nothing of the run."""
    started = ("--allow-code", "--seed", "5", "--dtype", "float64", "--microbatch", "4")
    every = "0" if at > 1 else "30"
    assert poe("run", "p.poe", *started, "--out", "whole") == 0
    begun = ("run", "p.poe", *started, "--checkpoint-every", every, "--out", "out")
    assert poe(*begun, order=f"9 {at}") == -9
    assert (place / "out" / "checkpoint.safetensors").exists() == (at > 1)
    for option, value, was in (
        ("--seed", "0", "5"),
        ("--seed", "6", "5"),
        ("--dtype", "auto", "float64"),
        ("--microbatch", "3", "4"),
        ("--profile", "default", ""),
        ("--device", "cpu", ""),
    ):
        if was:
            assert poe("run", "--resume", "out", "--allow-code", option, value) == 3
            assert "P0722" in said() and f"`{option}` was {was}, and is {value}" in said()
    assert poe("run", "p.poe", "--resume", "out", "--allow-code", "--sample", "steps=9") == 3
    assert "P0722" in said() and "`steps`" in said()
    same = ("--seed", "5", "--device", "cpu", "--profile", "default")
    assert poe("run", "--resume", "out", "--allow-code", *same) == 0
    assert content(place / "out") == content(place / "whole")


@pytest.mark.slow
@pytest.mark.usefixtures("modules")
def test_a_finished_run_is_shown_for_its_own_program_and_options(place: Path) -> None:
    assert poe("run", "p.poe", "--allow-code", "--seed", "5", "--out", "out") == 0
    assert poe("run", "p.poe", "--resume", "out", "--allow-code", "--seed", "5") == 0
    assert "has finished" in said()
    (place / "q.poe").write_text("x ~ Normal(0, 1)\n")
    for more in ((), ("--force",)):
        assert poe("run", "q.poe", "--resume", "out", *more) == 3
        assert "P0722" in said() and "factors" in said()
        assert poe("run", "--resume", "out", "--seed", "0", *more) == 3
        assert "P0722" in said() and "`--seed` was 5, and is 0" in said()


@pytest.mark.slow
@pytest.mark.usefixtures("modules")
def test_a_program_is_the_same_by_another_path(place: Path) -> None:
    assert poe("run", "p.poe", "--allow-code", "--out", "whole") == 0
    assert poe("run", "p.poe", *QUICK, "--out", "out", order="15 3") == 143
    assert poe("run", str(place / "p.poe"), "--resume", "out", "--allow-code") == 0
    assert content(place / "out") == content(place / "whole")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("run",), 2),
        (("run", "p.poe", "--out", "a", "--resume", "a"), 2),
        (("run", "--resume", "out", "--set", "a=1"), 2),
        (("run", "--resume", " "), 2),
        (("run", "p.poe", "--checkpoint-every", "-1"), 2),
        (("run", "--resume", "nowhere"), 3),
        (("run", "--resume", "."), 3),
    ],
)
@pytest.mark.usefixtures("place")
def test_what_cannot_be_resumed(
    arguments: tuple[str, ...],
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["poe", *arguments])
    with pytest.raises(SystemExit) as ended:
        entry()
    assert ended.value.code == code
    assert capsys.readouterr().err


def killed(arguments: list[str], operation: int) -> None:
    """Run a command in this process, and kill it at its n-th operation on files."""
    calls = 0

    def counted(function: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == operation:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)

        return call

    for name in ("replace", "fsync", "unlink", "mkdir", "rmdir"):
        setattr(os, name, counted(getattr(os, name)))
    sys.argv = ["poe", *arguments]
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (1, 2):
        os.dup2(nowhere, number)
    entry()


@pytest.mark.slow
@pytest.mark.usefixtures("modules")
def test_killed_at_every_operation_while_a_run_begins_to_go_on(place: Path) -> None:
    """The plan and the checkpoint are there all the time."""
    assert poe("run", "p.poe", "--allow-code", "--out", "whole") == 0
    assert poe("run", "p.poe", *QUICK, "--out", "out", order="9 3") == -9
    fork = multiprocessing.get_context("fork")
    for operation in range(1, 13):
        arguments = ["run", "--resume", "out", "--allow-code"]
        process = fork.Process(target=killed, args=(arguments, operation))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        assert (place / "out" / ".poedsl-unfinished" / "plan.json").is_file(), operation
        assert (place / "out" / "checkpoint.safetensors").is_file(), operation
    assert poe("run", "--resume", "out", "--allow-code") == 0
    assert content(place / "out") == content(place / "whole")


@pytest.mark.slow
@pytest.mark.usefixtures("modules")
def test_killed_at_operations_on_files(place: Path) -> None:
    """Between any write and its rename, and while a result is moved into place."""
    assert poe("run", "p.poe", "--allow-code", "--out", "whole") == 0
    expected, fork = content(place / "whole"), multiprocessing.get_context("fork")
    places, codes = random.Random(0), set[int | None]()
    for first in sorted(places.sample(range(1, 60), 5)):
        out, operation = f"out-{first}", first
        arguments = ["run", "p.poe", *QUICK, "--out", out]
        while True:
            process = fork.Process(target=killed, args=(arguments, operation))
            process.start()
            process.join()
            codes.add(process.exitcode)
            if process.exitcode != -signal.SIGKILL:
                break
            operation = places.randrange(20, 100)
            if Path(out, "run.json").exists():
                arguments = ["run", "--resume", out, *QUICK]
        assert content(place / out) == expected
        assert not list(Path(out).glob(".poedsl-*"))
    assert codes == {0, -signal.SIGKILL}
