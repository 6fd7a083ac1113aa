"""Runs a bound plan to its end: a plan and a seed to a result."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from poedsl.compiler.plan.plan import PlanSpec
from poedsl.runtime.checkpointer import run_with_checkpoints
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
) -> Result:
    """Run a bound plan to its end.

    Args:
        observe: is called with each stage's record and the number of stages; it cannot change the
            run.
        look_ahead: as of `Run`.
    """
    job = Run(plan, settings, look_ahead)
    for record in job.stages():
        if observe is not None:
            observe(record, job.stage_count)
    return job.result()


def run_shown(
    plan: PlanSpec, settings: RunSettings, checkpoints: Path | None, *, shown: bool
) -> Result:
    """Run a bound plan to its end.

    Args:
        checkpoints: a folder for checkpoints, as of `run_with_checkpoints`; None for none.
        shown: whether the progress is shown on standard error.
    """
    runner: Callable[..., Result] = run
    if checkpoints is not None:
        runner = partial(run_with_checkpoints, folder=checkpoints)
    if not shown:
        return runner(plan, settings)
    with Progress() as progress:
        return runner(plan, settings, observe=progress, look_ahead=progress.look_ahead)


def views(plan: PlanSpec, settings: RunSettings) -> Iterator[StageView]:
    """Views of every stage of a run, as they are done; the last one has the result.

    A run that fails yields its last stage again, with the result.
    """
    job = Run(plan, settings)
    for record in job.stages():
        if record.t == 1:
            yield replace(job.view(record), result=job.result())
            return
        yield job.view(record)
    yield replace(job.view(record), result=job.result())
