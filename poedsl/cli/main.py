"""The command ``poe``."""

from __future__ import annotations

from typing import Annotated

import typer

from poedsl.cli.arguments import (
    AllowCode,
    Data,
    Diagnostics,
    PlanFile,
    Profile,
    ProgramFile,
    SampleOption,
    Set,
    Strict,
)
from poedsl.cli.completion import (
    complete_codes,
    complete_experts,
    complete_plans,
    complete_programs,
)
from poedsl.cli.output import Limit, Quiet, Traceback, Verbose
from poedsl.cli.run_options import (
    CheckpointEvery,
    Dtype,
    Force,
    Microbatch,
    Out,
    Resume,
    RunFile,
    StrictResult,
    is_given,
)
from poedsl.cli.shared import DiagnosticForm, echo, usage
from poedsl.grammar.program_files import is_file

app = typer.Typer(
    name="poe",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def main(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Compose experts: check, plan and run programs that multiply densities, models and rewards."""
    if version:
        from poedsl import __version__

        echo(f"poe {__version__}")
        raise typer.Exit


@app.command()
def check(
    file: ProgramFile,
    strict: Strict = False,
    fix: Annotated[
        bool, typer.Option("--fix", help="Apply the fixes that are safe, and write the file.")
    ] = False,
    diagnostics: Diagnostics = DiagnosticForm.text,
    limit: Limit = [],  # noqa: B006
    quiet: Quiet = False,
    verbose: Verbose = False,
    traceback: Traceback = False,
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
    limit: Limit = [],  # noqa: B006
    quiet: Quiet = False,
    traceback: Traceback = False,
) -> None:
    """Write a program in canonical form; comments stay, and so does what it means."""
    from poedsl.cli.fmt import run_fmt

    run_fmt(file, check, diff)


@app.command()
def plan(
    file: PlanFile,
    set_: Set = [],  # noqa: B006
    data: Data = [],  # noqa: B006
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
    device: Annotated[
        str, typer.Option(help="Where networks would run, for their memory: cpu, cuda or cuda:1.")
    ] = "cpu",
    profile: Profile = "default",
    diagnostics: Diagnostics = DiagnosticForm.text,
    limit: Limit = [],  # noqa: B006
    quiet: Quiet = False,
    verbose: Verbose = False,
    traceback: Traceback = False,
) -> None:
    """Print the annealing plan of a program, with the reason for every choice."""
    from poedsl.cli.plan import show_plan

    show_plan(file, set_, data, sample, strict, emit, device, profile, diagnostics)


@app.command()
def inputs(
    file: PlanFile,
    set_: Set = [],  # noqa: B006
    data: Data = [],  # noqa: B006
    strict: Strict = False,
    diagnostics: Diagnostics = DiagnosticForm.text,
    limit: Limit = [],  # noqa: B006
    quiet: Quiet = False,
    verbose: Verbose = False,
    traceback: Traceback = False,
) -> None:
    """List the inputs of a program and their values; exit with 1 where one has none."""
    from poedsl.cli.inputs import list_inputs

    list_inputs(file, set_, data, strict, diagnostics)


@app.command()
def run(
    context: typer.Context,
    file: RunFile = None,
    set_: Set = [],  # noqa: B006
    data: Data = [],  # noqa: B006
    sample: SampleOption = [],  # noqa: B006
    seed: Annotated[int, typer.Option(help="Seed of all random numbers.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:1.")] = "cpu",
    dtype: Dtype = "auto",
    microbatch: Microbatch = None,
    profile: Profile = "default",
    out: Out = None,
    resume: Resume = None,
    checkpoint_every: CheckpointEvery = 30.0,
    force: Force = False,
    strict: Strict = False,
    strict_result: StrictResult = False,
    allow_code: AllowCode = False,
    diagnostics: Diagnostics = DiagnosticForm.text,
    limit: Limit = [],  # noqa: B006
    quiet: Quiet = False,
    verbose: Verbose = False,
    traceback: Traceback = False,
) -> None:
    """Run a program or a plan: print what came out, and keep it with --out.

    With --out a run keeps a checkpoint of its state. Ctrl-C and SIGTERM stop it after its stage,
    and --resume goes on with it, also after it was killed.
    """
    from poedsl.cli.run import run_command

    settings = {
        "seed": seed,
        "device": device,
        "dtype": dtype,
        "microbatch": microbatch,
        "profile": profile,
    }
    run_command(
        file,
        set_,
        data,
        sample,
        settings,
        [name for name in settings if is_given(context, name)],
        out,
        resume,
        checkpoint_every,
        force,
        strict,
        strict_result,
        allow_code,
        diagnostics,
    )


@app.command()
def predict(
    file: Annotated[
        str,
        typer.Argument(
            help="A .poe file, a plan's .json, or the folder that a run wrote.",
            autocompletion=complete_plans,
        ),
    ],
    set_: Set = [],  # noqa: B006
    data: Data = [],  # noqa: B006
    sample: SampleOption = [],  # noqa: B006
    seed: Annotated[int, typer.Option(help="Seed of all random numbers.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:1.")] = "cpu",
    profile: Profile = "default",
    prior: Annotated[
        bool, typer.Option("--prior", help="Leave the data out: draw from the prior.")
    ] = False,
    draws: Annotated[
        int | None, typer.Option(min=1, help="How many draws; as many as particles by default.")
    ] = None,
    out: Annotated[
        str | None, typer.Option(help="A .npz or .json file for the draws.", metavar="FILE")
    ] = None,
    allow_code: AllowCode = False,
    limit: Limit = [],  # noqa: B006
    diagnostics: Diagnostics = DiagnosticForm.text,
) -> None:
    """Draw the observed data of a program again, given its posterior or its prior."""
    from poedsl.cli.predict import predict_command

    predict_command(
        file, set_, data, sample, seed, device, profile, prior, draws, out, allow_code, diagnostics
    )


@app.command()
def experts(
    name: Annotated[
        str | None,
        typer.Argument(
            help="An expert or reward, or the folder of a model.", autocompletion=complete_experts
        ),
    ] = None,
    traceback: Traceback = False,
) -> None:
    """List experts, rewards, sources and functions, or show what one or a model takes."""
    from poedsl.interface.descriptions import describe_expert, list_experts

    try:
        echo(list_experts() if name is None else describe_expert(name))
    except LookupError as error:
        usage(str(error))


@app.command()
def explain(
    code: Annotated[
        str | None,
        typer.Argument(help="A code such as P0404; all by default.", autocompletion=complete_codes),
    ] = None,
    traceback: Traceback = False,
) -> None:
    """Explain a diagnostic code, with a wrong and a right example."""
    from poedsl.interface.descriptions import describe_code

    try:
        echo(describe_code(code))
    except LookupError as error:
        usage(str(error))


@app.command()
def repl(
    file: Annotated[
        str | None,
        typer.Argument(help="A .poe file to begin with.", autocompletion=complete_programs),
    ] = None,
    profile: Profile = "default",
    allow_code: AllowCode = False,
    limit: Limit = [],  # noqa: B006
    verbose: Verbose = False,
    traceback: Traceback = False,
) -> None:
    """Build a program statement by statement, and run it; lines of a pipe work too."""
    from poedsl.cli.repl import converse

    if file is not None and not is_file(file):
        usage(f"{file} is not a file")
    converse(file, allow_code, profile)


@app.command()
def lsp(traceback: Traceback = False) -> None:
    """Serve an editor: the language server protocol on standard input and output."""
    from poedsl.cli.lsp import serve

    serve()
