"""What the commands share: reading programs, showing diagnostics, exit codes.

Nothing here loads the parser of the command line, so that `poe check` answers at once.
"""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, NoReturn

from poedsl.grammar.diagnostics import Diagnostic, to_json
from poedsl.grammar.limits import CODE, LIMITS, limit, remedy
from poedsl.grammar.program_files import decoded
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


def echo(text: str, *, err: bool = False, end: str = "\n", styled: bool = False) -> None:
    """Write a text; what the terminal cannot show is a question mark.

    On standard error and on terminals, control characters are shown and have no effect.

    Args:
        styled: whether the text has escape sequences for colours of its own.
    """
    stream = sys.stderr if err else sys.stdout
    if not styled and (err or stream.isatty()):
        text = printable(text)
    encoding = stream.encoding or "utf-8"
    stream.write(f"{text}{end}".encode(encoding, "replace").decode(encoding))
    stream.flush()


def printable(text: str) -> str:
    """A text of lines without characters that a terminal would act on."""
    from poedsl.grammar.render import clean

    return re.sub(r"[^\n\t]+", lambda part: clean(part[0]), text)


def read_source(file: str) -> tuple[Source, Path]:
    """A program's text, or a plan's, and the folder it stands in; ends the command where it cannot
    be read, or is too large.
    """
    name = "standard input" if file == "-" else file
    try:
        if file != "-":
            with open(file, "rb") as stream:
                content = _within_limit(stream, file)
        elif sys.stdin is None:
            usage("standard input is closed")
        else:
            content = _within_limit(getattr(sys.stdin, "buffer", sys.stdin), file)
        text = content if isinstance(content, str) else decoded(content)
    except UnicodeDecodeError:
        usage(f"{name} is not a text in UTF-8")
    except (OSError, ValueError) as error:
        usage(f"{name} cannot be read: {getattr(error, 'strerror', None) or error}")
    return (
        (Source(text, "<stdin>"), Path())
        if file == "-"
        else (Source(text, file), Path(file).parent)
    )


def _within_limit(stream: Any, file: str) -> Any:
    """The content of a stream; no more is read than the limit of programs, or of plans."""
    plan = file.endswith(".json")
    content = stream.read(limit("plan" if plan else "program") + 1)
    if not plan and content[:64].lstrip()[:1] in (b"{", "{"):
        plan = True
        content += stream.read(max(limit("plan") - len(content), 0) + 1)
    kind = "plan" if plan else "program"
    if len(content) > limit(kind):
        what = f"{LIMITS[kind].of} has at most {limit(kind):,} {LIMITS[kind].unit}"
        message = f"{'standard input' if file == '-' else file} is too large: {what}"
        show(
            (Diagnostic(CODE, message, notes=(remedy(kind),)),),
            Source("", ""),
            DiagnosticForm.text,
            err=True,
        )
        raise SystemExit(ERRORS)
    return content


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
        echo(render_text(diagnostics, source, color=color), err=True, styled=True)


def usage(message: str) -> NoReturn:
    echo(f"poe: {message}", err=True)
    raise SystemExit(USAGE)


def last_resort(error: Exception) -> int:
    """Print an error that was not expected; returns its exit code."""
    from poedsl import __version__
    from poedsl.grammar.errors import is_out_of_memory

    if is_out_of_memory(error):
        echo(f"poe: this takes more memory than there is: {error}", err=True)
        return FAILED
    if OUTPUT.traceback or os.environ.get("POE_TRACEBACK"):
        raise error
    echo(
        f"poe: internal error: {type(error).__name__}: {error}\n"
        f"this is a fault of poe {__version__}, not of your program; "
        "--traceback or POE_TRACEBACK=1 shows where, for a report",
        err=True,
    )
    return INTERNAL
