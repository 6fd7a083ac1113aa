"""The arguments and options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

from poedsl.cli.completion import (
    complete_inputs,
    complete_options,
    complete_plans,
    complete_profiles,
    complete_programs,
)
from poedsl.cli.shared import DiagnosticForm

ProgramFile = Annotated[
    str, typer.Argument(help="A .poe file; - is standard input.", autocompletion=complete_programs)
]
PlanFile = Annotated[
    str,
    typer.Argument(
        help="A .poe file or a plan's .json; - is standard input.", autocompletion=complete_plans
    ),
]
Strict = Annotated[bool, typer.Option("--strict", help="Refuse inputs that are not declared.")]
AllowCode = Annotated[
    bool, typer.Option("--allow-code", help="Run Python that the program names with `use`.")
]
Diagnostics = Annotated[
    DiagnosticForm, typer.Option("--diagnostics", help="How errors and warnings are shown.")
]
Profile = Annotated[
    str,
    typer.Option(
        "--profile",
        help="Which weights experts have: small, or one of poe.toml.",
        autocompletion=complete_profiles,
    ),
]
Set = Annotated[
    list[str],
    typer.Option(
        "--set",
        help="Bind an input: NAME=VALUE, or NAME=@FILE.",
        metavar="NAME=VALUE",
        autocompletion=complete_inputs,
    ),
]
Data = Annotated[
    list[str],
    typer.Option(
        "--data",
        help="Bind inputs by name from a file: .json, .csv, .tsv, .parquet or .npz.",
        metavar="FILE",
    ),
]
SampleOption = Annotated[
    list[str],
    typer.Option(
        "--sample",
        help="Override an option of `sample`, as in a program.",
        metavar="NAME=VALUE",
        autocompletion=complete_options,
    ),
]
