"""Where the command ``poe`` begins."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from poedsl.cli.shared import FAILED, INTERRUPTED, OUTPUT, echo, last_resort


def entry() -> None:
    """The command; an unexpected exception is reported as an internal error, in two lines.

    `poe check FILE` is answered without the parser of the command line, which takes as long to load
    as the check.
    """
    OUTPUT.quiet = OUTPUT.traceback = False
    open_streams()
    try:
        try:
            command()
        finally:
            if not sys.stdout.closed:
                sys.stdout.flush()
    except (KeyboardInterrupt, BrokenPipeError):
        silence()
        sys.exit(INTERRUPTED)
    except Exception as error:
        sys.exit(stopped(error))


def command() -> None:
    """The command that the arguments name."""
    match sys.argv[1:]:
        case ["check", file] if file == "-" or not file.startswith("-"):
            from poedsl.cli.check import run_check

            sys.exit(run_check(file))
    from poedsl.cli.main import app

    app()


def open_streams() -> None:
    """Give closed standard streams a place: a file that is opened would take their number, and
    receive what libraries write to them.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def stopped(error: Exception) -> int:
    """Print an error that was not expected; returns the exit code.

    Files of results and programs are written where an error names them; one without a name is of a
    standard stream.
    """
    if isinstance(error, OSError) and error.filename is None and error.strerror:
        with suppress(OSError):
            echo(f"poe: the output cannot be written: {error.strerror}", err=True)
        silence()
        return FAILED
    return last_resort(error)


def silence() -> None:
    """Let nothing more be written, at the end of the process either."""
    with suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except OSError:
                os.dup2(nowhere, stream.fileno())
