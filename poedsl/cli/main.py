"""The command ``poe``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from poedsl.cli.entry import entry
from poedsl.cli.shared import ERRORS, FAILED, INTERRUPTED, Form, read_source, show, usage
from poedsl.grammar.diagnostics import PoeError
from poedsl.grammar.source import Source

if TYPE_CHECKING:
    from poedsl.compiler.views.emit import View

__all__ = ["app", "entry"]

app = typer.Typer(
    name="poe",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

T = TypeVar("T")

#: Stages whose predicted endpoints a report shows.
SHOWN_ALONG = 8

ProgramFile = Annotated[str, typer.Argument(help="A .poe file; - is standard input.")]
PlanFile = Annotated[
    str, typer.Argument(help="A .poe file or a plan's .json; - is standard input.")
]
Strict = Annotated[bool, typer.Option("--strict", help="Refuse inputs that are not declared.")]
AllowCode = Annotated[
    bool, typer.Option("--allow-code", help="Run Python that the program names with `use`.")
]
Diagnostics = Annotated[
    Form, typer.Option("--diagnostics", help="How errors and warnings are shown.")
]
Set = Annotated[
    list[str],
    typer.Option("--set", help="Bind an input: NAME=VALUE, or NAME=@FILE.", metavar="NAME=VALUE"),
]
SampleOption = Annotated[
    list[str],
    typer.Option(
        "--sample", help="Override an option of `sample`, as in a program.", metavar="NAME=VALUE"
    ),
]


@app.callback(invoke_without_command=True)
def main(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Compose experts: check, plan and run programs that multiply densities, models and rewards."""
    if version:
        from poedsl import __version__

        typer.echo(f"poe {__version__}")
        raise typer.Exit


@app.command()
def check(
    file: ProgramFile,
    strict: Strict = False,
    fix: Annotated[
        bool, typer.Option("--fix", help="Apply the fixes that are safe, and write the file.")
    ] = False,
    diagnostics: Diagnostics = Form.text,
) -> None:
    """Report everything that is wrong with a program, and list its inputs."""
    from poedsl.cli.check import run_check

    raise typer.Exit(run_check(file, strict, fix, diagnostics))


@app.command()
def fmt(
    file: ProgramFile,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit with 1 if it would change.")
    ] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Write nothing; print what would change.")
    ] = False,
) -> None:
    """Write a program in canonical form; comments stay, and so does what it means."""
    from poedsl.cli.fmt import run_fmt

    run_fmt(file, check, diff)


@app.command()
def plan(
    file: PlanFile,
    set_: Set = [],  # noqa: B006
    sample: SampleOption = [],  # noqa: B006
    strict: Strict = False,
    emit: Annotated[
        str,
        typer.Option(
            "--emit",
            help="The plan as text, json, dot or svg; or what a pass made of the program: tree, "
            "expanded, resolved, checked, lowered or plan, and tree.json and so on.",
            metavar="VIEW",
        ),
    ] = "text",
    diagnostics: Diagnostics = Form.text,
) -> None:
    """Print the annealing plan of a program, with the reason for every choice."""
    from poedsl.compiler.views.emit import emit_plan, read_view

    try:
        view = read_view(emit)
    except ValueError as error:
        usage(f"--emit: {error}")
    if view.stage != "plan":
        show_stage(file, view, set_, sample, strict, diagnostics)
    else:
        made, source = open_plan(file, set_, sample, strict, diagnostics)
        show_lints(made, source, diagnostics)
        typer.echo(emit_plan(made.spec, view.form), nl=False)


def show_stage(
    file: str, view: View, bindings: list[str], sample: list[str], strict: bool, form: Form
) -> None:
    """Print what a pass made of a program, even where a later one finds errors."""
    from poedsl.api import read_options
    from poedsl.compiler.compile import compile_source
    from poedsl.compiler.views.emit import emit

    source, base = read_source(file)
    if is_plan(file, source):
        usage(f"{file} is a plan: what came before it is not there to be shown")
    if bindings:
        usage(f"values are bound to a plan: --set does not go with --emit={view.stage}")
    options = guarded(lambda: read_options(pairs(sample, "--sample")), form)
    compiled = compile_source(source, strict=strict, options=options, base=base)
    notable = tuple(d for d in compiled.diagnostics if d.severity != "note")
    show(notable, source, form, err=True)
    made = guarded(lambda: emit(compiled, view), form)
    if made is not None:
        typer.echo(made, nl=False)
    if not compiled.ok:
        raise typer.Exit(ERRORS)


@app.command()
def run(
    file: PlanFile,
    set_: Set = [],  # noqa: B006
    sample: SampleOption = [],  # noqa: B006
    seed: Annotated[int, typer.Option(help="Seed of all random numbers.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:1.")] = "cpu",
    microbatch: Annotated[
        int | None, typer.Option(min=1, help="Particles evaluated at once; all by default.")
    ] = None,
    profile: Annotated[
        str, typer.Option(help="Which weights experts have: small, or one of poe.toml.")
    ] = "default",
    out: Annotated[
        str | None,
        typer.Option(help="Folder for the particles, pictures and report.", metavar="PATH"),
    ] = None,
    strict: Strict = False,
    allow_code: AllowCode = False,
    diagnostics: Diagnostics = Form.text,
) -> None:
    """Run a program or a plan: print what came out, and keep it with --out."""
    if out is not None and not out.strip():
        usage("--out takes a folder, and this is empty")
    folder = None if out is None else Path(out)
    made, source = open_plan(file, set_, sample, strict, diagnostics)
    made = replace(guarded(made.bound, diagnostics), allow_code=allow_code)

    def told() -> None:
        show_lints(made, source, diagnostics)

    sys.exit(
        guarded(
            lambda: _run(made, seed, device, microbatch, profile, folder, told), diagnostics, FAILED
        )
    )


def _run(
    made: Any,
    seed: int,
    device: str,
    microbatch: int | None,
    profile: str,
    out: Path | None,
    told: Callable[[], None],
) -> int:
    """Run a plan, and show it; warnings of the compilation are told when nothing is missing."""
    from poedsl.compiler.plan.costs import costs
    from poedsl.runtime.inputs.profile_files import read_profile
    from poedsl.runtime.results.output_folder import OutputFolder
    from poedsl.runtime.results.progress import Progress
    from poedsl.runtime.results.report import summary
    from poedsl.runtime.run import Run

    chosen = read_profile(profile, made.base)
    single_thread()
    folder = None if out is None else OutputFolder(out, made.to_json())
    along = 0 if out is None else SHOWN_ALONG
    place, leave = made.base, made.allow_code
    job = Run(made.spec, seed, device, microbatch, place, leave, chosen, along)
    told()
    done = 0
    try:
        if any(costs(made.spec)):
            typer.echo(f"this takes {job.estimate()}", err=True)
        with Progress() as shown:
            for record in job.stages():
                done += 1
                shown(record, len(job.path.stages))
                if folder is not None:
                    folder.stage(record)
        result = job.result()
    except KeyboardInterrupt:
        kept = "" if out is None else f"; the log of its stages is in {out / 'log.jsonl'}"
        typer.echo(f"poe: interrupted after {done} stages{kept}", err=True)
        return INTERRUPTED
    notes = [] if folder is None else folder.finish(result)
    for name, value in summary(result):
        typer.echo(f"{name:<13} {value}")
    for warning in result.warnings:
        typer.echo(f"warning: {warning}", err=True)
    for note in notes:
        typer.echo(f"note: {note}", err=True)
    if folder is not None:
        typer.echo(f"{'written to':<13} {out}")
    return 0 if result.outcome.ok else FAILED


def single_thread() -> None:
    """Small tensors are slower on several threads by far; a person's own setting stands."""
    import os

    import torch

    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)


@app.command()
def experts(
    name: Annotated[str | None, typer.Argument(help="An expert or reward.")] = None,
) -> None:
    """List experts, rewards, sources and functions, or show what one takes."""
    from poedsl.interface import texts

    try:
        typer.echo(texts.experts() if name is None else texts.expert(name))
    except LookupError as error:
        usage(str(error))


@app.command()
def explain(
    code: Annotated[
        str | None, typer.Argument(help="A code such as P0404; all by default.")
    ] = None,
) -> None:
    """Explain a diagnostic code, with a wrong and a right example."""
    from poedsl.interface import texts

    try:
        typer.echo(texts.explanation(code))
    except LookupError as error:
        usage(str(error))


@app.command()
def repl(
    file: Annotated[str | None, typer.Argument(help="A .poe file to begin with.")] = None,
    allow_code: AllowCode = False,
) -> None:
    """Build a program statement by statement, and run it; lines of a pipe work too."""
    from poedsl.cli.repl import converse

    if file is not None and not Path(file).is_file():
        usage(f"{file} is not a file")
    converse(file, allow_code)


# What the commands share.


def is_plan(file: str, source: Source) -> bool:
    """Whether a file holds a plan's JSON, and not a program."""
    return file.endswith(".json") or source.text.lstrip().startswith("{")


def show_lints(made: Any, source: Source, form: Form) -> None:
    """The warnings of a program that has no errors."""
    lints = tuple(d for d in made.diagnostics if d.severity == "warning")
    show(lints, source, form, err=True)


def open_plan(
    file: str, bindings: list[str], sample: list[str], strict: bool, form: Form
) -> tuple[Any, Source]:
    """The plan of a program or of a plan's JSON, with what the command line gives, and its text."""
    from poedsl.api import Plan, load, read_options
    from poedsl.compiler.compile import compile_source

    source, base = read_source(file)
    options = guarded(lambda: read_options(pairs(sample, "--sample")), form)
    if is_plan(file, source):
        made = guarded(lambda: replace(load(source.text), base=base), form)
        if options:
            shown = {k: v for k, v in pairs(sample, "--sample").items()}
            made = guarded(lambda: made.with_options(**shown), form)
    else:
        compiled = compile_source(source, strict=strict, options=options, base=base)
        if compiled.plan is None:
            errors = tuple(d for d in compiled.diagnostics if d.is_error)
            show(errors, source, form, err=True)
            raise typer.Exit(ERRORS)
        made = Plan(compiled.plan, base, compiled.diagnostics)
    return guarded(lambda: made.bind(**values(made, bindings)), form), source


def values(made: Any, bindings: list[str]) -> dict[str, Any]:
    """Values of ``--set``: text for text, a path after ``@``, else JSON."""
    from poedsl.interface.texts import read_value

    types = {i.name: i.type.name for i in made.spec.inputs}
    given = pairs(bindings, "--set").items()
    return {name: read_value(text, types.get(name, "")) for name, text in given}


def pairs(items: list[str], option: str) -> dict[str, str]:
    out: dict[str, str] = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not equals or not name.strip():
            usage(f"{option} takes NAME=VALUE, and this is {item!r}")
        out[name.strip()] = value.strip()
    return out


def guarded(work: Callable[[], T], form: Form, code: int = ERRORS) -> T:
    """Do it; diagnostics are shown, and end the command."""
    try:
        return work()
    except PoeError as error:
        show(error.diagnostics, error.source, form, err=True)
        raise typer.Exit(code) from error
