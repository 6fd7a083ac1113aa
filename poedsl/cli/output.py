"""How much a command writes: the options ``--quiet``, ``--verbose`` and ``--traceback``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from poedsl.cli.shared import OUTPUT, usage

#: The logger of the package, below which the modules have theirs.
LOGGER = "poedsl"


def _quiet(on: bool) -> None:
    OUTPUT.quiet = on


def _traceback(on: bool) -> None:
    OUTPUT.traceback = on


def _verbose(on: bool) -> None:
    if not on:
        return
    if OUTPUT.quiet:
        usage("--quiet and --verbose exclude each other")
    import logging

    logger = logging.getLogger(LOGGER)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(relativeCreated)7.0f ms  %(name)s: %(message)s"))
    logger.handlers = [handler]
    logger.setLevel(logging.DEBUG)


def _limit(items: list[str]) -> None:
    from poedsl.grammar.limits import change_limits

    for item in items:
        name, _, number = item.partition("=")
        try:
            value = int(number.replace(",", "").replace("_", ""))
        except ValueError:
            usage(f"--limit takes NAME=NUMBER, and this is {item!r}")
        try:
            change_limits({name.strip(): value})
        except ValueError as error:
            usage(str(error))


Limit = Annotated[
    list[str],
    typer.Option(
        "--limit",
        help="Change a limit, for example of the particles or of the bytes of a program.",
        metavar="NAME=NUMBER",
        callback=_limit,
        is_eager=True,
    ),
]
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet",
        "-q",
        help="Write errors only, and of a run its verdict and evidence.",
        callback=_quiet,
        is_eager=True,
    ),
]
Verbose = Annotated[
    bool,
    typer.Option("--verbose", "-v", help="Log what is done to standard error.", callback=_verbose),
]
Traceback = Annotated[
    bool,
    typer.Option(
        "--traceback", help="Show where an internal error came from.", callback=_traceback
    ),
]
