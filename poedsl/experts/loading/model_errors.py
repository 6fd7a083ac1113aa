"""Errors of models in folders."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from poedsl.experts.loading.libraries import first_sentence, missing_extra, quiet_loading
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError, is_out_of_memory


def unfit(expert: str, folder: str, reason: str, *notes: str, code: str = "P0206") -> PoeError:
    """An error: the folder holds no model that can be used as it is.

    Args:
        expert: whose model it is; empty for a part that several experts share.
    """
    message = (
        f"`{expert}` cannot use the model in {folder}: {reason}"
        if expert
        else f"the model in {folder} cannot be used: {reason}"
    )
    return PoeError((Diagnostic(code, message, notes=notes),))


@contextmanager
def evaluating(expert: str, folder: str, *notes: str) -> Iterator[None]:
    """Evaluate a model; an error of the library becomes a diagnostic of one line.

    Libraries raise errors of many kinds for files that they cannot use. What is no fault of the
    files, a lack of memory, is raised as it is, and so is a missing library where it is not known
    which expert needs it.

    Raises:
        PoeError: a library is missing (P0703), or the model cannot be used (P0206).
    """
    try:
        yield
    except PoeError:
        raise
    except Exception as error:
        if is_out_of_memory(error) or (isinstance(error, ImportError) and not expert):
            raise
        if isinstance(error, ImportError):
            raise missing_extra(expert, "diffusers", error) from error
        raise unfit(expert, folder, first_sentence(error), *notes) from error


@contextmanager
def loading(expert: str, folder: str, *notes: str) -> Iterator[None]:
    """As `evaluating`, without the messages and progress bars of libraries while they load."""
    with evaluating(expert, folder, *notes), quiet_loading():
        yield
