"""What the commands share: reading programs, showing diagnostics, exit codes.

Nothing here loads the parser of the command line, so that `poe check` answers at once.
"""

from __future__ import annotations

import io
import json
import os
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NoReturn

from poedsl.grammar.diagnostics import Diagnostic, to_json
from poedsl.grammar.source import Source

#: Exit codes.
ERRORS, USAGE, FAILED, INTERNAL, INTERRUPTED = 1, 2, 3, 70, 130

#: What the session shows before a statement, and before a further line of one.
PROMPT, CONTINUATION = "poe> ", "...  "


@dataclass(slots=True)
class Output:
    """How much the command that is running writes.

    Attributes:
        quiet: errors alone, and of a run its verdict and evidence.
        traceback: where internal errors came from.
    """

    quiet: bool = False
    traceback: bool = False


OUTPUT = Output()


class DiagnosticForm(StrEnum):
    text = "text"
    json = "json"


def echo(text: str, *, err: bool = False, end: str = "\n") -> None:
    """Write a text; what the terminal cannot show is a question mark."""
    stream = sys.stderr if err else sys.stdout
    encoding = stream.encoding or "utf-8"
    stream.write(f"{text}{end}".encode(encoding, "replace").decode(encoding))
    stream.flush()


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


def show(
    diagnostics: tuple[Diagnostic, ...], source: Source, form: DiagnosticForm, *, err: bool = False
) -> None:
    if OUTPUT.quiet:
        diagnostics = tuple(d for d in diagnostics if d.is_error)
    if form is DiagnosticForm.json:
        if diagnostics or not err:
            echo(json.dumps(to_json(diagnostics, source), indent=1), err=err)
    elif diagnostics:
        from poedsl.grammar.render import render_text

        color = sys.stderr.isatty() and "NO_COLOR" not in os.environ
        echo(render_text(diagnostics, source, color=color), err=True)


def usage(message: str) -> NoReturn:
    echo(f"poe: {message}", err=True)
    raise SystemExit(USAGE)


def last_resort(error: Exception) -> int:
    """Print an error that was not expected; returns its exit code."""
    from poedsl import __version__
    from poedsl.grammar.errors import is_out_of_memory

    if is_out_of_memory(error):
        print(f"poe: this takes more memory than there is: {error}", file=sys.stderr)
        return FAILED
    if OUTPUT.traceback or os.environ.get("POE_TRACEBACK"):
        raise error
    print(
        f"poe: internal error: {type(error).__name__}: {error}\n"
        f"this is a fault of poe {__version__}, not of your program; "
        "--traceback or POE_TRACEBACK=1 shows where, for a report",
        file=sys.stderr,
    )
    return INTERNAL
