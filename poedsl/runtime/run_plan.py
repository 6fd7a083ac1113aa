"""Runs a bound plan to its end: a plan and a seed to a result."""

from __future__ import annotations

from collections.abc import Callable

from poedsl.compiler.plan.plan import PlanSpec
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.results.result import Result
from poedsl.runtime.run import Run
from poedsl.runtime.smc.records import StageRecord


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
