"""``poe run``: run a program or a plan, and show what came out."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import typer

from poedsl.cli.open_plan import guarded, open_plan, show_warnings
from poedsl.cli.shared import FAILED, INTERRUPTED, OUTPUT, DiagnosticForm, usage

#: Stages whose predicted endpoints a report shows.
SHOWN_ALONG = 8
#: Seconds of a run that says beforehand what will not be saved.
LONG = 10


def run_command(
    file: str,
    bindings: list[str],
    data: list[str],
    sample: list[str],
    seed: int,
    device: str,
    dtype: str,
    microbatch: int | None,
    profile: str,
    out: str | None,
    strict: bool,
    strict_result: bool,
    allow_code: bool,
    form: DiagnosticForm,
) -> NoReturn:
    """Run a program or a plan, and leave with the exit code of the run."""
    if out is not None and not out.strip():
        usage("--out takes a folder, and this is empty")
    if dtype not in ("auto", "float32", "float64"):
        usage(f"--dtype takes auto, float32 or float64, and this is {dtype}")
    folder = None if out is None else Path(out)
    plan, source = open_plan(file, bindings, data, sample, strict, form)
    plan = replace(guarded(plan.bound, form), allow_code=allow_code)

    def before_run() -> None:
        show_warnings(plan, source, form)

    sys.exit(
        guarded(
            lambda: run_plan(
                plan, seed, device, dtype, microbatch, profile, folder, strict_result, before_run
            ),
            form,
            FAILED,
        )
    )


def run_plan(
    plan: Any,
    seed: int,
    device: str,
    dtype: str,
    microbatch: int | None,
    profile: str,
    out: Path | None,
    strict_result: bool,
    before_run: Callable[[], None],
) -> int:
    """Run a plan and show the result; ``before_run`` is called once nothing is missing."""
    # Torch is loaded after the program is compiled, so that errors in it are shown at once.
    from poedsl.cli.unsaved import unsaved
    from poedsl.compiler.plan.costs import costs, has_networks
    from poedsl.runtime.build.weight_memory import memory_lines
    from poedsl.runtime.core.run_settings import RunSettings
    from poedsl.runtime.inputs.profile_files import read_profile
    from poedsl.runtime.results.output_folder import OutputFolder
    from poedsl.runtime.results.progress import Progress
    from poedsl.runtime.results.report import essential_lines, head_lines
    from poedsl.runtime.results.verdict import Verdict
    from poedsl.runtime.run import Run

    settings = RunSettings(
        seed=seed,
        device=device,
        dtype=dtype,
        microbatch=microbatch,
        folder=plan.base,
        allow_code=plan.allow_code,
        profile=read_profile(profile, plan.base),
        shown_stages=0 if out is None else SHOWN_ALONG,
    )
    single_thread()
    folder = None if out is None else OutputFolder(out, plan.to_json())
    loud = not OUTPUT.quiet
    lost = unsaved(plan.spec) if folder is None else ""
    if loud and has_networks(plan.spec):
        for line in memory_lines(plan.spec, settings, complete=True):
            typer.echo(line, err=True)
    with Progress(shown=loud) as preparing:
        job = Run(plan.spec, settings, preparing.look_ahead)
    before_run()
    done = 0
    try:
        if loud and any(costs(plan.spec)):
            cost = job.estimate()
            typer.echo(f"this takes {cost}", err=True)
            if lost and cost.seconds > LONG:
                typer.echo(f"note: {lost} will not be saved; `--out FOLDER` saves them", err=True)
        with Progress(shown=loud) as shown:
            for record in job.stages():
                done += 1
                shown(record, job.stage_count)
                if folder is not None:
                    folder.stage(record)
        result = job.result()
    except KeyboardInterrupt:
        log_note = "" if out is None else f"; the log of its stages is in {out / 'log.jsonl'}"
        typer.echo(f"poe: interrupted after {done} stages{log_note}", err=True)
        return INTERRUPTED
    notes = [] if folder is None else folder.finish(result)
    for line in head_lines(result) if loud else essential_lines(result):
        typer.echo(line)
    if loud:
        for warning in result.warnings:
            typer.echo(f"warning: {warning}", err=True)
        if lost:
            notes = [f"{lost} are not saved; `--out FOLDER` saves them"]
        for note in notes:
            typer.echo(f"note: {note}", err=True)
    if folder is not None:
        typer.echo(f"{'written to':<13} {out}")
    good = result.verdict is Verdict.RELIABLE if strict_result else result.outcome.ok
    return 0 if good else FAILED


def single_thread() -> None:
    """Small tensors are much slower on several threads; an explicit setting is kept."""
    import torch

    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)
