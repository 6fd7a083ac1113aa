"""The command ``poe``."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer

from poedsl.grammar.diagnostics import Diagnostic, PoeError, to_json
from poedsl.grammar.source import Source

app = typer.Typer(
    name="poe",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

T = TypeVar("T")

#: Exit codes.
ERRORS, USAGE, FAILED, INTERNAL, INTERRUPTED = 1, 2, 3, 70, 130


class Form(StrEnum):
    text = "text"
    json = "json"


ProgramFile = Annotated[str, typer.Argument(help="A .poe file; - is standard input.")]
PlanFile = Annotated[
    str, typer.Argument(help="A .poe file or a plan's .json; - is standard input.")
]
Strict = Annotated[bool, typer.Option("--strict", help="Refuse inputs that are not declared.")]
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
def check(file: ProgramFile, strict: Strict = False, diagnostics: Diagnostics = Form.text) -> None:
    """Report everything that is wrong with a program, and list its inputs."""
    from poedsl.compiler.compile import compile_source

    source, _ = read_source(file)
    if file.endswith(".json"):
        usage(f"{file} is not a program; `poe plan` and `poe run` take plans")
    compiled = compile_source(source, strict=strict)
    show(compiled.diagnostics, source, diagnostics)
    if not compiled.ok:
        raise typer.Exit(ERRORS)
    if diagnostics is Form.text:
        assert compiled.plan is not None
        for variable in compiled.plan.variables:
            typer.echo(f"variable {variable.name} : {variable.type}")
        for i in compiled.plan.inputs:
            came = f"  ({i.origin} at {i.place})"
            given = "" if i.default is None else f" = {_term(i.default)}"
            typer.echo(f"input {i.name} : {i.type}{given}{came}")
        typer.echo(f"{source.name}: ok")


@app.command()
def plan(
    file: PlanFile,
    set_: Set = [],  # noqa: B006
    sample: SampleOption = [],  # noqa: B006
    strict: Strict = False,
    emit: Annotated[Form, typer.Option("--emit", help="How the plan is printed.")] = Form.text,
    diagnostics: Diagnostics = Form.text,
) -> None:
    """Print the annealing plan of a program, with the reason for every choice."""
    made = open_plan(file, set_, sample, strict, diagnostics)
    typer.echo(made.to_json() if emit is Form.json else str(made), nl=False)


@app.command()
def run(
    file: PlanFile,
    set_: Set = [],  # noqa: B006
    sample: SampleOption = [],  # noqa: B006
    seed: Annotated[int, typer.Option(help="Seed of all random numbers.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1 or mps.")] = "cpu",
    microbatch: Annotated[
        int | None, typer.Option(min=1, help="Particles evaluated at once; all by default.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the particles, pictures and report.")
    ] = None,
    strict: Strict = False,
    diagnostics: Diagnostics = Form.text,
) -> None:
    """Run a program or a plan: print what came out, and keep it with --out."""
    made = guarded(lambda: open_plan(file, set_, sample, strict, diagnostics).bound(), diagnostics)
    sys.exit(guarded(lambda: _run(made, seed, device, microbatch, out), diagnostics, FAILED))


def _run(made: Any, seed: int, device: str, microbatch: int | None, out: Path | None) -> int:
    from poedsl.runtime.output import OutputFolder
    from poedsl.runtime.progress import Progress
    from poedsl.runtime.report import summary
    from poedsl.runtime.run import run as run_plan

    single_thread()
    folder = None if out is None else OutputFolder(out, made.to_json())
    done = 0
    try:
        with Progress() as shown:

            def observe(record: Any, total: int) -> None:
                nonlocal done
                done += 1
                shown(record, total)
                if folder is not None:
                    folder.stage(record)

            result = run_plan(made.spec, seed, device, microbatch, observe)
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
    """List experts and rewards, or show what one takes."""
    from poedsl.compiler.resolve import near
    from poedsl.experts.signatures import SIGNATURES

    if name is None:
        width = max(map(len, SIGNATURES))
        for s in SIGNATURES.values():
            runs = "" if s.implementation else "  (signature only)"
            typer.echo(f"{s.name:<{width}}  {s.family:<8} {s.summary}{runs}")
        return
    if name not in SIGNATURES:
        found = near(name, SIGNATURES)
        hint = f"; there is one with a similar name: {found}" if found else ""
        usage(f"there is no expert or reward named {name}{hint}")
    s = SIGNATURES[name]
    typer.echo(f"{s}\n\n{s.summary}\n")
    for p in s.parameters:
        typer.echo(f"  {p!s:<32} {p.summary}")
    typer.echo(f"\nfamily        {s.family}\ncan           {', '.join(sorted(s.capabilities))}")
    if s.cost:
        typer.echo(f"cost          about {s.cost:g} ms an evaluation of one particle")
    if s.citation:
        typer.echo(f"source        {s.citation}")
    if not s.implementation:
        typer.echo("runs          not in this release")


@app.command()
def explain(code: Annotated[str, typer.Argument(help="A code such as P0404.")]) -> None:
    """Explain a diagnostic code, with a wrong and a right example."""
    from poedsl.compiler.codes import CODES

    page = CODES.get(code.upper())
    if page is None:
        usage(f"there is no code {code}; codes run from {min(CODES)} to {max(CODES)}")
    typer.echo(f"{code.upper()}: {page.title}\n\n{page.page.strip()}")


# What the commands share.


def read_source(file: str) -> tuple[Source, Path]:
    """A program's text and the folder it stands in; ends the command where it cannot be read."""
    try:
        if file == "-":
            if isinstance(sys.stdin, io.TextIOWrapper):
                sys.stdin.reconfigure(encoding="utf-8", errors="strict")
            return Source(sys.stdin.read(), "<stdin>"), Path()
        return Source(Path(file).read_text(encoding="utf-8"), file), Path(file).parent
    except UnicodeDecodeError:
        usage(f"{'standard input' if file == '-' else file} is not a text in UTF-8")
    except OSError as error:
        usage(f"{file} cannot be read: {error.strerror}")


def open_plan(file: str, bindings: list[str], sample: list[str], strict: bool, form: Form) -> Any:
    """The plan of a program or of a plan's JSON, with what the command line gives."""
    from poedsl.api import Plan, load, read_options
    from poedsl.compiler.compile import compile_source

    source, base = read_source(file)
    options = guarded(lambda: read_options(pairs(sample, "--sample")), form)
    if file.endswith(".json") or source.text.lstrip().startswith("{"):
        made = guarded(lambda: load(source.text), form)
        if options:
            shown = {k: v for k, v in pairs(sample, "--sample").items()}
            made = guarded(lambda: made.with_options(**shown), form)
    else:
        compiled = compile_source(source, strict=strict, options=options)
        notable = tuple(d for d in compiled.diagnostics if d.severity != "note")
        show(notable, source, form, err=True)
        if compiled.plan is None:
            raise typer.Exit(ERRORS)
        made = Plan(compiled.plan, base, compiled.diagnostics)
    return guarded(lambda: made.bind(**values(made, bindings)), form)


def values(made: Any, bindings: list[str]) -> dict[str, Any]:
    """Values of ``--set``: text for text, a path after ``@``, else JSON."""
    types = {i.name: i.type.name for i in made.spec.inputs}
    out: dict[str, Any] = {}
    for name, text in pairs(bindings, "--set").items():
        if text.startswith("@"):
            out[name] = Path(text[1:])
        elif types.get(name) == "Text":
            out[name] = text
        else:
            try:
                out[name] = json.loads(text)
            except ValueError:
                out[name] = text
    return out


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


def show(
    diagnostics: tuple[Diagnostic, ...], source: Source, form: Form, *, err: bool = False
) -> None:
    if form is Form.json:
        if diagnostics or not err:
            typer.echo(json.dumps(to_json(diagnostics, source), indent=1), err=err)
    elif diagnostics:
        from poedsl.grammar.render import render_text

        stream = sys.stderr
        color = stream.isatty() and "NO_COLOR" not in __import__("os").environ
        typer.echo(render_text(diagnostics, source, color=color), err=True)


def _term(term: Any) -> str:
    from poedsl.compiler.plantext import print_term

    return print_term(term)


def usage(message: str) -> NoReturn:
    typer.echo(f"poe: {message}", err=True)
    raise typer.Exit(USAGE)


def entry() -> None:
    """The command, with a last resort: what is not expected is an error of ours, told in two
    lines.
    """
    try:
        app()
    except (KeyboardInterrupt, BrokenPipeError):
        sys.exit(INTERRUPTED)
    except Exception as error:
        import os

        from poedsl import __version__

        if isinstance(error, MemoryError) or "alloc" in str(error):
            print(f"poe: this takes more memory than there is: {error}", file=sys.stderr)
            sys.exit(FAILED)

        if os.environ.get("POE_TRACEBACK"):
            raise
        print(
            f"poe: internal error: {type(error).__name__}: {error}\n"
            f"this is a fault of poe {__version__}, not of your program; "
            "POE_TRACEBACK=1 shows where, for a report",
            file=sys.stderr,
        )
        sys.exit(INTERNAL)
