"""Errors of user code, as diagnostics with the place of the code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from poedsl.catalog.code_references import DefinitionError, shown
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError


def definition_error(error: DefinitionError) -> PoeError:
    """A `DefinitionError` as an error for the user."""
    return PoeError((Diagnostic(error.code, error.message, notes=error.notes),))


@contextmanager
def failures(subject: str, file: str) -> Iterator[None]:
    """Turn an exception of user code into a diagnostic with its line in the file.

    Args:
        subject: what is run, for the message. file: of the user code.

    Raises:
        PoeError: the code raises an exception (P0708).
    """
    try:
        yield
    except PoeError:
        raise
    except (Exception, SystemExit) as error:
        line = _line(error, file)
        reason = f"{type(error).__name__}: {error}".rstrip(": ").splitlines()[0]
        at = f" at {shown(Path(file))}:{line}" if line else ""
        raise PoeError((Diagnostic("P0708", f"{subject} failed{at}: {reason}"),)) from error


def _line(error: BaseException, file: str) -> int:
    """The innermost line of a file in the traceback of an exception; 0 where there is none."""
    if isinstance(error, SyntaxError) and error.filename == file:
        return error.lineno or 0
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
