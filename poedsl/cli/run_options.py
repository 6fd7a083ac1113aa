"""The options of ``poe run``."""

from __future__ import annotations

from typing import Annotated

import typer

RunFile = Annotated[
    str | None,
    typer.Argument(
        help="A .poe file or a plan's .json; - is standard input. Not needed with --resume."
    ),
]
Dtype = Annotated[
    str,
    typer.Option(
        help="Type of the particles' numbers: float32, float64, or auto, which is float64 for "
        "tempered densities."
    ),
]
Microbatch = Annotated[
    int | None, typer.Option(min=1, max=2**31, help="Particles evaluated at once; all by default.")
]
Out = Annotated[
    str | None,
    typer.Option(
        "--out", "-o", help="Folder for the particles, pictures and report.", metavar="PATH"
    ),
]
Resume = Annotated[
    str | None,
    typer.Option(
        help="Go on with the run in a folder of --out that was interrupted or killed; the result "
        "is that of a run that was never stopped.",
        metavar="PATH",
    ),
]
CheckpointEvery = Annotated[
    float,
    typer.Option(
        min=0.0,
        help="Seconds between two checkpoints in the folder of --out; 0 for one after each stage.",
        metavar="SECONDS",
    ),
]
Force = Annotated[
    bool,
    typer.Option(
        "--force",
        help="With --resume, go on though the plan, an input or a version has changed; with "
        "--out, discard a run that has not finished.",
    ),
]
StrictResult = Annotated[
    bool,
    typer.Option("--strict-result", help="Exit with 3 unless the verdict is reliable."),
]


def is_given(context: typer.Context, name: str) -> bool:
    """Whether the command line gives a parameter, at its default value too."""
    source = context.get_parameter_source(name)
    return source is not None and source.name not in ("DEFAULT", "DEFAULT_MAP")
