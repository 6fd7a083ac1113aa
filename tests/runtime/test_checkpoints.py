"""Checkpoints in files: whole or not there, and refused where anything has changed."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import poedsl
from poedsl.grammar.errors import PoeError
from poedsl.runtime import checkpointer as checkpointers
from poedsl.runtime.checkpointer import Checkpointer, Interrupted, resume
from poedsl.runtime.checkpoints import identity as identities
from poedsl.runtime.checkpoints.checkpoint_file import CHECKPOINT, read_checkpoint, write_checkpoint
from poedsl.runtime.checkpoints.identity import differences, identity, of_file
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.results import run_folder
from poedsl.runtime.results.folder_ownership import STAGING, read_state
from poedsl.runtime.results.result import Result
from poedsl.runtime.results.run_folder import LOG, complete
from poedsl.runtime.results.write_result import OutputFolder
from poedsl.runtime.run import Run
from tests.runtime.resuming import finished, prepared, same, same_bits

CPU = torch.device("cpu")
PLAN = poedsl.compile("x : Real[2]\nx ~ Normal(0, 1) * Normal(1, 2)").with_options(
    particles=8, steps=4
)
OTHER = poedsl.compile("x : Real[2]\nx ~ Normal(0, 1) * Normal(3, 1)").with_options(
    particles=8, steps=4
)
HIERARCHY = poedsl.compile(
    "tau ~ HalfNormal(5)\nmu ~ Normal(0, 5)\ntheta : Real[8]\ntheta ~ Normal(mu, tau)\n"
    "theta ~ Normal([28, 8, -3, 7, -1, 1, 18, 12], [15, 10, 16, 11, 9, 11, 10, 18])\n"
).with_options(particles=32)
STATE = {"a": torch.arange(6.0).view(2, 3), "b": [1, None, 0.5]}


def code_of(error: pytest.ExceptionInfo[PoeError]) -> str:
    (diagnostic,) = error.value.diagnostics
    return diagnostic.code


def text_of(error: pytest.ExceptionInfo[PoeError]) -> str:
    (diagnostic,) = error.value.diagnostics
    return "\n".join((diagnostic.message, *diagnostic.notes))


# Files.


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert read_checkpoint(tmp_path) is None
    write_checkpoint(tmp_path, STATE)
    checkpoint = read_checkpoint(tmp_path)
    assert checkpoint is not None
    state = checkpoint.state(CPU)
    assert state["b"] == STATE["b"] and same_bits(state["a"], STATE["a"])  # type: ignore[arg-type]
    assert [p.name for p in tmp_path.iterdir()] == [CHECKPOINT]


def test_every_cut_and_every_flipped_bit_is_noticed(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, STATE)
    file = tmp_path / CHECKPOINT
    whole = file.read_bytes()
    places = random.Random(0)
    changed = [whole[:n] for n in (0, 1, 8, len(whole) // 2, len(whole) - 1)]
    changed += [whole + b"x"]
    for _ in range(150):
        flipped = bytearray(whole)
        flipped[places.randrange(len(whole))] ^= 1 << places.randrange(8)
        changed.append(bytes(flipped))
    for content in changed:
        file.write_bytes(content)
        with pytest.raises(PoeError) as caught:
            read_checkpoint(tmp_path)
        assert code_of(caught) == "P0721"


def test_the_earlier_one_stays_until_the_next_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_checkpoint(tmp_path, STATE)
    before = (tmp_path / CHECKPOINT).read_bytes()

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        write_checkpoint(tmp_path, {"a": 1})
    assert (tmp_path / CHECKPOINT).read_bytes() == before


# Keeping them.


def kept(every: float, **more: int) -> tuple[Checkpointer, list[int]]:
    """A keeper, and the number of stages of each state that it saves."""
    saved: list[int] = []
    keep = Checkpointer(
        lambda state: saved.append(len(state["run"]["recorder"]["records"])), {}, every
    )
    for name, value in more.items():
        setattr(keep, name, value)
    return keep, saved


def test_one_after_every_stage_or_none_in_a_short_run() -> None:
    keep, saved = kept(0.0)
    for _ in prepared(PLAN, between_stages=keep).stages():
        pass
    assert saved == [1, 2, 3, 4, 5]
    keep, saved = kept(30.0)
    for _ in prepared(PLAN, between_stages=keep).stages():
        pass
    assert saved == []


def test_a_run_that_is_asked_to_stop_is_saved_first() -> None:
    keep, saved = kept(30.0)
    stages = prepared(PLAN, between_stages=keep).stages()
    next(stages)
    keep.stop_signal = 15
    with pytest.raises(Interrupted) as stop:
        next(stages)
    assert (stop.value.number, stop.value.saved, saved) == (15, True, [2])


def test_the_first_signal_asks_and_the_second_stops() -> None:
    keep, _ = kept(30.0)
    announced: list[int] = []
    handler = signal.getsignal(signal.SIGTERM)
    with keep.stopping_on_signals(announced.append):
        signal.raise_signal(signal.SIGTERM)
        assert keep.stop_signal == signal.SIGTERM and announced == [signal.SIGTERM]
        with pytest.raises(Interrupted) as stop:
            signal.raise_signal(signal.SIGTERM)
        assert not stop.value.saved
    assert signal.getsignal(signal.SIGTERM) is handler


def test_ignored_signals_stay_ignored() -> None:
    keep, _ = kept(30.0)
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with keep.stopping_on_signals(lambda number: None):
            signal.raise_signal(signal.SIGINT)
        assert keep.stop_signal is None
    finally:
        signal.signal(signal.SIGINT, handler)


def test_a_run_goes_on_where_no_checkpoint_can_be_written() -> None:
    reasons: list[str] = []

    def full(state: object) -> None:
        raise OSError(28, "No space left on device")

    keep = Checkpointer(full, {}, 0.0, reasons.append)
    assert same(finished(prepared(PLAN, between_stages=keep)), finished(prepared(PLAN)))
    assert reasons == ["No space left on device"] * 5


# What a run depends on.


def test_what_has_changed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    plan, settings = PLAN.bound().spec, RunSettings()
    then = identity(plan, settings)
    assert differences(then, identity(plan, settings)) == ()
    assert differences(then, identity(replace(plan, program="b.poe"), settings)) == ()
    more = PLAN.with_options(particles=9).bound().spec
    (changed,) = differences(then, identity(more, settings))
    assert "particles" in changed
    (changed,) = differences(then, identity(plan, replace(settings, seed=5)))
    assert "seed" in changed and "0" in changed and "5" in changed
    monkeypatch.setattr(identities, "__version__", "99.0")
    (changed,) = differences(then, identity(plan, settings))
    assert "poedsl" in changed and "99.0" in changed


def test_inputs_and_files_are_known_by_their_content(tmp_path: Path) -> None:
    program = poedsl.compile("input a : Real\nx ~ Normal(a, 1)")
    one, two = (identity(program.bind(a=a).bound().spec, RunSettings()) for a in (1, 2))
    (changed,) = differences(one, two)
    assert "`a`" in changed
    (tmp_path / "own.py").write_text(
        "import poedsl\n@poedsl.reward\ndef f(x: poedsl.Real):\n    return -x * x\n"
    )
    (tmp_path / "p.poe").write_text('use f from "own.py:f"\nx ~ Normal(0, 1) * exp(f())\n')
    own = poedsl.compile(tmp_path / "p.poe").bound()
    settings = RunSettings(folder=own.base)
    before = identity(own.spec, settings)
    with (tmp_path / "own.py").open("a") as file:
        file.write("# another line\n")
    assert differences(before, identity(own.spec, settings)) == ("the file own.py has changed",)


def test_weights_are_known_by_their_content() -> None:
    found = identity(poedsl.compile("x ~ digits(3)").bound().spec, RunSettings())
    assert any(n.startswith("the weights") for n in found) and "diffusers" in found


def test_large_files_are_known_by_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identities, "WHOLE", 16)
    monkeypatch.setattr(identities, "SAMPLE", 4)
    file, digests = tmp_path / "weights", set()
    for content in (b"a" * 40, b"a" * 41, b"b" + b"a" * 39, b"a" * 39 + b"b"):
        file.write_bytes(content)
        digests.add(of_file(file))
    assert len(digests) == 4


# From Python.


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A checkpoint after every stage."""
    monkeypatch.setattr(checkpointers, "EVERY", 0.0)
    yield


@pytest.mark.usefixtures("at_once")
def test_a_plan_goes_on_from_its_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, run, calls = tmp_path / "kept", Run._next, 0

    def failing(job: Run) -> object:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise MemoryError
        return run(job)

    monkeypatch.setattr(Run, "_next", failing)
    with pytest.raises(MemoryError):
        PLAN.run(seed=1, checkpoint=folder)
    with pytest.raises(PoeError) as caught:
        PLAN.run(seed=2, checkpoint=folder)
    assert code_of(caught) == "P0722" and "seed" in text_of(caught)
    calls = 10
    again = PLAN.run(seed=1, checkpoint=folder)
    assert calls == 10 + 3, "two stages and the end"
    whole = PLAN.run(seed=1)
    assert same_bits(again.particles["x"], whole.particles["x"])
    assert again.log_evidence == whole.log_evidence
    assert not list(folder.iterdir())


@pytest.mark.slow
@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("islands", [1, 4])
@pytest.mark.parametrize("plan", [PLAN, HIERARCHY], ids=["noised", "hierarchy"])
def test_a_stream_goes_on_from_its_checkpoint(
    tmp_path: Path, plan: poedsl.Plan, islands: int
) -> None:
    """Left after a stage, it yields that stage again, and the rest as it would have."""
    plan = plan.with_options(islands=islands)
    whole = list(plan.stream(seed=1))
    last = whole[-1].result
    assert last is not None
    for left in sorted({1, len(whole) // 2, len(whole)}):
        folder = tmp_path / str(left)
        stream = plan.stream(seed=1, checkpoint=folder)
        for _ in range(left):
            view = next(stream)
        stream.close()
        assert (view.result is None) == bool(list(folder.iterdir())) == (left < len(whole))
        if left == len(whole):
            break
        again = list(plan.stream(seed=1, checkpoint=folder))
        assert len(again) == len(whole) - left + 1
        for a, b in zip(again, whole[left - 1 :], strict=True):
            assert a.record.t == b.record.t and a.record.ess == b.record.ess
            assert same_bits(a.x, b.x) and same_bits(a.endpoint, b.endpoint)
            assert same_bits(a.log_weights, b.log_weights) and a.length == b.length
        result = again[-1].result
        assert result is not None and repr(result.evidence) == repr(last.evidence)
        assert all(same_bits(x, last.particles[n]) for n, x in result.particles.items())
        assert not list(folder.iterdir())


@pytest.mark.usefixtures("at_once")
def test_a_stream_of_another_run_is_refused(tmp_path: Path) -> None:
    stream = PLAN.stream(seed=1, checkpoint=tmp_path)
    next(stream), next(stream)
    stream.close()
    for refused in (PLAN.stream(seed=2, checkpoint=tmp_path), OTHER.stream(checkpoint=tmp_path)):
        with pytest.raises(PoeError) as caught:
            next(refused)
        assert code_of(caught) == "P0722"
    again = PLAN.run(seed=1, checkpoint=tmp_path)
    assert same_bits(again.particles["x"], PLAN.run(seed=1).particles["x"])


@pytest.mark.usefixtures("at_once")
def test_a_checkpoint_of_another_plan_is_refused(tmp_path: Path) -> None:
    job = prepared(PLAN)
    next(job.stages())
    write_checkpoint(tmp_path, {"depends_on": {}, "run": job.state()})
    with pytest.raises(PoeError) as caught:
        OTHER.run(checkpoint=tmp_path)
    assert code_of(caught) == "P0722"
    write_checkpoint(tmp_path, {"depends_on": identity(OTHER.bound().spec, RunSettings())})
    with pytest.raises(PoeError) as caught:
        OTHER.run(checkpoint=tmp_path)
    assert code_of(caught) == "P0721"


def test_what_is_forced_goes_on_as_far_as_it_fits(tmp_path: Path) -> None:
    job = prepared(PLAN)
    next(job.stages())
    write_checkpoint(tmp_path, {"depends_on": {}, "run": job.state()})
    checkpoint = read_checkpoint(tmp_path)
    assert checkpoint is not None
    forced = prepared(OTHER)
    resume(forced, tmp_path, checkpoint, {"a": "b"}, force=True)
    assert len(finished(forced)[0]["stages"]) == 5
    line = poedsl.compile("x ~ Normal(0, 1) * Normal(3, 1)").with_options(particles=8, steps=4)
    for plan in (PLAN.with_options(particles=9), PLAN.with_options(islands=2), line):
        with pytest.raises(PoeError) as caught:
            resume(prepared(plan), tmp_path, checkpoint, {}, force=True)
        assert code_of(caught) == "P0721"


# Folders.


def unfinished(folder: Path) -> OutputFolder:
    """The folder of a run that has kept a checkpoint."""
    out = OutputFolder(folder, PLAN.to_json())
    out.save(STATE)
    return out


def test_an_unfinished_run_is_not_replaced_unless_that_is_said(tmp_path: Path) -> None:
    unfinished(tmp_path).stopped("interrupted", "why")
    state = read_state(tmp_path)
    assert state is not None and (state.state, state.note) == ("interrupted", "why")
    with pytest.raises(PoeError) as caught:
        OutputFolder(tmp_path, PLAN.to_json())
    assert code_of(caught) == "P0720"
    assert read_checkpoint(tmp_path) is not None
    OutputFolder(tmp_path, PLAN.to_json(), force=True)
    assert read_checkpoint(tmp_path) is None


def test_what_a_killed_process_was_writing_is_removed(tmp_path: Path) -> None:
    unfinished(tmp_path)
    (tmp_path / ".poedsl-part-0123").write_bytes(b"half")
    OutputFolder(tmp_path, PLAN.to_json(), resumed=True)
    assert not list(tmp_path.glob(".poedsl-part-*"))
    assert read_checkpoint(tmp_path) is not None


def test_the_log_is_kept_as_far_as_it_is_whole(tmp_path: Path) -> None:
    result = PLAN.run(seed=0)
    out = OutputFolder(tmp_path, PLAN.to_json())
    for record in result.stages:
        out.stage(record, -1.5)
    lines = (tmp_path / LOG).read_text().splitlines(keepends=True)
    logged = json.loads(lines[0])
    assert {"time", "t", "beta", "ess", "acceptance", "nfe", "seconds"} <= logged.keys()
    assert logged["log_evidence"] == -1.5
    assert out.keep_log(3) == 3
    assert (tmp_path / LOG).read_text() == "".join(lines[:3])
    (tmp_path / LOG).write_text(lines[0] + lines[1][:20])
    assert out.keep_log(3) == 1
    assert (tmp_path / LOG).read_text() == lines[0]


def test_two_processes_do_not_write_to_one_folder(tmp_path: Path) -> None:
    out = unfinished(tmp_path)

    def other() -> None:
        run_folder._LOCKED.clear()
        try:
            OutputFolder(tmp_path, PLAN.to_json(), resumed=True)
        except PoeError as error:
            os._exit(20 if error.diagnostics[0].code == "P0720" else 1)
        os._exit(0)

    for expected in (20, 0):
        process = multiprocessing.get_context("fork").Process(target=other)
        process.start()
        process.join()
        assert process.exitcode == expected
        out.stopped("interrupted", "")


def test_a_result_that_is_being_moved_is_moved_by_the_next_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every file; until then there is no result to load."""
    result = PLAN.run(seed=0)
    for moves in range(4):
        folder, done, replaced = tmp_path / str(moves), 0, os.replace

        def killed(source: object, target: object) -> None:
            nonlocal done
            if STAGING in str(source) and STAGING not in str(target):
                done += 1
                if done > moves:  # noqa: B023
                    raise KeyboardInterrupt
            replaced(source, target)  # type: ignore[arg-type] # noqa: B023

        monkeypatch.setattr(os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            OutputFolder(folder, PLAN.to_json()).finish(result, pictures=False)
        with pytest.raises(PoeError) as caught:
            Result.load(folder)
        assert code_of(caught) == "P0713"
        monkeypatch.undo()
        assert complete(folder).state == "finished"
        assert same_bits(Result.load(folder).particles["x"], result.particles["x"])
        assert not (folder / STAGING).exists()
