"""The optional libraries transformers and diffusers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError


@contextmanager
def quiet_loading() -> Iterator[None]:
    """Without the progress bars and the warnings of transformers and diffusers."""
    with ExitStack() as stack:
        for library in ("transformers", "diffusers"):
            if find_spec(library) is not None:
                stack.enter_context(_quiet(import_module(f"{library}.utils.logging")))
        yield


@contextmanager
def _quiet(logging: Any) -> Iterator[None]:
    shown, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()


def missing_extra(expert: str, extra: str, error: ImportError) -> PoeError:
    """The error (P0703) for an optional library that is not installed.

    Args:
        extra: of the package poedsl, that installs the library.
    """
    return PoeError(
        (
            Diagnostic(
                "P0703",
                f"`{expert}` needs the library `{error.name}`, which is not installed",
                notes=(f"install it with: pip install 'poedsl[{extra}]'",),
            ),
        )
    )
