"""``poe run``: run a program or a plan, and show what came out."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from poedsl.cli.open_plan import guarded, open_plan, show_warnings
from poedsl.cli.request import TYPED, typed
from poedsl.cli.resume import SavingOptions, earlier_run
from poedsl.cli.shared import FAILED, OUTPUT, DiagnosticForm, echo, usage
from poedsl.grammar.source import Source

if TYPE_CHECKING:
    from poedsl.cli.saved_run import SavedRun
    from poedsl.compiler.plan.plan import PlanSpec
    from poedsl.runtime.core.run_settings import RunSettings
    from poedsl.runtime.results.result import Result
    from poedsl.runtime.smc.records import StageRecord

#: Stages whose predicted endpoints a report shows.
SHOWN_ALONG = 8
#: Seconds of a run that says beforehand what will not be saved.
LONG = 10


def run_command(
    file: str | None,
    bindings: list[str],
    data: list[str],
    sample: list[str],
    settings: dict[str, Any],
    explicit: Collection[str],
    out: str | None,
    resume: str | None,
    checkpoint_every: float,
    force: bool,
    strict: bool,
    strict_result: bool,
    allow_code: bool,
    form: DiagnosticForm,
) -> NoReturn:
    """Run a program or a plan, or go on with a run, and leave with the exit code of the run.

    Args:
        settings: the settings of the run by the names of their options.
        explicit: the names of those that the command line gives.
    """
    if (out is not None and not out.strip()) or (resume is not None and not resume.strip()):
        usage(f"{'--out' if out is not None else '--resume'} takes a folder, and this is empty")
    if settings["dtype"] not in ("auto", "float32", "float64"):
        usage(f"--dtype takes auto, float32 or float64, and this is {settings['dtype']}")
    if out is not None and resume is not None:
        usage("--resume goes on in the folder of a run; --out is for a new one")
    if file is None and (resume is None or bindings or data or sample):
        usage("a program or a plan is missing")
    plan: Any = None
    source = Source("")
    if file is not None:
        plan, source = open_plan(file, bindings, data, sample, strict, form)
        plan = guarded(plan.bound, form)
    saving = None if out is None else SavingOptions(Path(out), checkpoint_every, False, force)
    if resume is not None:
        folder = Path(resume)
        earlier = guarded(lambda: earlier_run(folder), form, FAILED)
        started = guarded(lambda: earlier.with_settings(settings, explicit, force), form, FAILED)
        plan = guarded(lambda: earlier.plan_of(plan, force), form, FAILED)
        if earlier.finished:
            sys.exit(guarded(lambda: show_finished(folder, strict_result), form, FAILED))
        settings, saving = started, SavingOptions(folder, checkpoint_every, True, force)
        settings |= {name: earlier.settings.get(name, "") for name in TYPED}
    elif file is not None:
        settings |= typed(file, bindings, data, sample, settings, out, source, allow_code)
    plan = replace(plan, allow_code=allow_code)

    def before_run() -> None:
        show_warnings(plan, source, form)

    sys.exit(
        guarded(lambda: run_plan(plan, settings, saving, strict_result, before_run), form, FAILED)
    )


def run_plan(
    plan: Any,
    settings: Mapping[str, Any],
    saving: SavingOptions | None,
    strict_result: bool,
    before_run: Callable[[], None],
) -> int:
    """Run a plan and show the result; ``before_run`` is called once nothing is missing."""
    # Torch is loaded after the program is compiled, so that errors in it are shown at once.
    from poedsl.cli.saved_run import SavedRun, exit_code
    from poedsl.runtime.core.run_settings import RunSettings
    from poedsl.runtime.inputs.profile_files import read_profile

    run_settings = RunSettings(
        seed=settings["seed"],
        device=settings["device"],
        dtype=settings["dtype"],
        microbatch=settings["microbatch"],
        folder=plan.base,
        allow_code=plan.allow_code,
        profile=read_profile(settings["profile"], plan.base),
        shown_stages=0 if saving is None else SHOWN_ALONG,
    )
    single_thread()
    saved = None if saving is None else SavedRun(saving, plan, settings)
    done: list[StageRecord] = []
    try:
        with nullcontext() if saved is None else saved.states():
            result, notes = finished(plan.spec, run_settings, saved, before_run, done)
    except KeyboardInterrupt as stop:
        if saved is None:
            echo(f"poe: interrupted after {len(done)} stages", err=True)
        return exit_code(stop)
    show_result(result, notes)
    if saved is not None:
        echo(f"{'written to':<13} {saved.place}")
    return code_of(result, strict_result)


def finished(
    plan: PlanSpec,
    settings: RunSettings,
    saved: SavedRun | None,
    before_run: Callable[[], None],
    done: list[StageRecord],
) -> tuple[Result, list[str]]:
    """The result of a run, and what was left out of its folder.

    Args:
        done: takes the records of the stages as they are done.
    """
    from poedsl.cli.unsaved_variables import unsaved
    from poedsl.compiler.plan.costs import costs, has_networks
    from poedsl.runtime.build.weight_memory import memory_lines
    from poedsl.runtime.results.progress import Progress
    from poedsl.runtime.run import Run

    loud = not OUTPUT.quiet
    lost = unsaved(plan) if saved is None else ""
    if loud and has_networks(plan):
        for line in memory_lines(plan, settings, complete=True):
            echo(line, err=True)
    with Progress(shown=loud) as preparing:
        checkpointer = None if saved is None else saved.checkpointer
        job = Run(plan, settings, preparing.look_ahead, checkpointer)
    before_run()
    earlier = 0 if saved is None else saved.go_on(job, settings)
    if loud and earlier:
        echo(f"goes on after {earlier} of {job.stage_count} stages", err=True)
    with nullcontext() if saved is None else saved.watched():
        if loud and not earlier and any(costs(plan)):
            cost = job.estimate()
            echo(f"this takes {cost}", err=True)
            if lost and cost.seconds > LONG:
                echo(f"note: {lost} will not be saved; `--out FOLDER` saves them", err=True)
        with Progress(shown=loud) as shown:
            for record in job.stages():
                done.append(record)
                shown(record, job.stage_count)
                if saved is not None:
                    saved.stage(record, job.log_evidence[len(done) - 1])
        result = job.result()
        if saved is not None:
            return result, saved.folder.finish(result, request=saved.request)
    return result, [f"{lost} are not saved; `--out FOLDER` saves them"] if lost else []


def show_result(result: Result, notes: list[str]) -> None:
    """The result in a few lines, with its warnings and some notes."""
    from poedsl.runtime.results.report import essential_lines, head_lines

    for line in essential_lines(result) if OUTPUT.quiet else head_lines(result):
        echo(line)
    if OUTPUT.quiet:
        return
    for warning in result.warnings:
        echo(f"warning: {warning}", err=True)
    for note in notes:
        echo(f"note: {note}", err=True)


def show_finished(folder: Path, strict_result: bool) -> int:
    """Show the result of a run that has finished; returns the exit code that the run had."""
    from poedsl.runtime.results.result import Result

    result = Result.load(folder)
    show_result(result, [f"the run in {folder} has finished"])
    return code_of(result, strict_result)


def code_of(result: Result, strict_result: bool) -> int:
    """The exit code of a run with this result."""
    from poedsl.runtime.results.verdict import Verdict

    good = result.verdict is Verdict.RELIABLE if strict_result else result.outcome.ok
    return 0 if good else FAILED


def single_thread() -> None:
    """Small tensors are much slower on several threads; an explicit setting is kept."""
    import torch

    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)
