"""Runs a bound plan to its end: a plan and a seed to a result."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from poedsl.compiler.plan.plan import PlanSpec
from poedsl.runtime.checkpointer import result_without_checkpoint, run_from_checkpoint
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.results.progress import Progress
from poedsl.runtime.results.result import Result
from poedsl.runtime.run import Run
from poedsl.runtime.smc.records import StageRecord
from poedsl.runtime.stage_view import StageView


def run(
    plan: PlanSpec,
    settings: RunSettings | None = None,
    observe: Callable[[StageRecord, int], None] | None = None,
    look_ahead: Callable[[int, int], None] | None = None,
    checkpoints: Path | None = None,
) -> Result:
    """Run a bound plan to its end.

    Args:
        observe: is called with each stage's record and the number of stages; it cannot change the
            run.
        look_ahead: as of `Run`.
        checkpoints: a folder in which the run keeps a checkpoint, and from whose checkpoint it goes
            on; None for none. The checkpoint is removed when the run has ended.

    Raises:
        PoeError: as of `Run` and `run_from_checkpoint`.
    """
    job = prepared(plan, settings, look_ahead, checkpoints)
    for record in job.stages():
        if observe is not None:
            observe(record, job.stage_count)
    return result_without_checkpoint(job, checkpoints)


def prepared(
    plan: PlanSpec,
    settings: RunSettings | None,
    look_ahead: Callable[[int, int], None] | None,
    checkpoints: Path | None,
) -> Run:
    """The run, after the stages of its checkpoint."""
    if checkpoints is None:
        return Run(plan, settings, look_ahead)
    return run_from_checkpoint(plan, settings or RunSettings(), checkpoints, look_ahead)


def run_shown(
    plan: PlanSpec, settings: RunSettings, checkpoints: Path | None, *, shown: bool
) -> Result:
    """Run a bound plan to its end.

    Args:
        checkpoints: as of `run`.
        shown: whether the progress is shown on standard error.
    """
    if not shown:
        return run(plan, settings, checkpoints=checkpoints)
    with Progress() as progress:
        return run(plan, settings, progress, progress.look_ahead, checkpoints)


def views(
    plan: PlanSpec, settings: RunSettings, checkpoints: Path | None = None
) -> Iterator[StageView]:
    """Views of every stage of a run, as they are done; the last one has the result.

    A run that fails yields its last stage again, with the result. One that goes on from a
    checkpoint yields the last stage of that first: the particles of those before are gone.

    Args:
        checkpoints: as of `run`.
    """
    job = prepared(plan, settings, None, checkpoints)
    earlier = len(job.recorder.records)
    for number, record in enumerate(job.stages(), 1):
        if record.t == 1:
            break
        if number >= earlier:
            yield job.view(record)
    last = job.view(record)
    yield replace(last, result=result_without_checkpoint(job, checkpoints))
