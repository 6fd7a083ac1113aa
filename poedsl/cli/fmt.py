"""`poe fmt`: programs in canonical form."""

from __future__ import annotations

import difflib
import io
from collections.abc import Iterator
from pathlib import Path

from poedsl.cli.shared import ERRORS, OUTPUT, DiagnosticForm, echo, read_source, show, usage
from poedsl.grammar.errors import PoeError
from poedsl.grammar.formatting.format import FormatError, format_source
from poedsl.grammar.source import Source
from poedsl.runtime.core.atomic_files import write_atomically


def run_fmt(file: str, check: bool, diff: bool) -> None:
    """Format a file in place, or standard input to standard output."""
    if file.endswith(".json"):
        usage(f"{file} is not a program")
    source, _ = read_source(file)
    formatted = _formatted(source)
    changes = formatted != source.text
    if diff:
        echo("".join(_changes(source, formatted)), end="")
    if check and changes:
        echo(f"{source.name}: would be formatted", err=True)
        raise SystemExit(ERRORS)
    if check or diff:
        return
    if file == "-":
        echo(formatted, end="")
    elif changes:
        write(Path(file), formatted)
        if not OUTPUT.quiet:
            echo(f"{file}: formatted", err=True)


def _formatted(source: Source) -> str:
    try:
        return format_source(source.text)
    except PoeError as error:
        show(error.diagnostics, source, DiagnosticForm.text, err=True)
    except FormatError as error:
        echo(f"poe: {source.name}: {error}; it is left as it is", err=True)
    raise SystemExit(ERRORS)


def _changes(source: Source, formatted: str) -> Iterator[str]:
    """A unified diff."""
    old, new = (list(io.StringIO(text)) for text in (source.text, formatted))
    for line in difflib.unified_diff(old, new, source.name, f"{source.name} (formatted)"):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def write(path: Path, text: str) -> None:
    """Replace a file's text in one step; its line ends and permissions stay."""
    try:
        ends = "\r\n" if b"\r\n" in path.read_bytes() else "\n"
        write_atomically(path, text.replace("\n", ends).encode())
    except OSError as error:
        usage(f"{path} cannot be written: {error.strerror}")
