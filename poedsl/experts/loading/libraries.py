"""The optional libraries transformers and diffusers."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError


@contextmanager
def quiet_loading() -> Iterator[None]:
    """Without the progress bars and the messages of transformers and diffusers, and their warnings
    of what future versions of theirs will not have.
    """
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore", FutureWarning)
        for library in ("transformers", "diffusers"):
            if find_spec(library) is not None:
                stack.enter_context(_quiet(import_module(f"{library}.utils.logging")))
        yield


@contextmanager
def _quiet(logging: Any) -> Iterator[None]:
    shown, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity(logging.CRITICAL)
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
    library = (error.name or "").partition(".")[0]
    message = f"`{expert}` needs a library that is not installed: {first_sentence(error)}"
    notes: tuple[str, ...] = ()
    if library:
        message = f"`{expert}` needs the library `{library}`, which is not installed"
        notes = (f"install it with: {install_command(extra, library)}",)
    return PoeError((Diagnostic("P0703", message, notes=notes),))


def install_command(extra: str, library: str) -> str:
    """The command that installs an extra of this package, or a library that no extra has."""
    required = [r.partition(";")[0] for r in _requirements() if f"extra == '{extra}'" in r]
    if required and not any(r.startswith(library) for r in required):
        return f"pip install {library}"
    clone = Path(__file__).resolve().parents[3]
    if (clone / "pyproject.toml").is_file():
        return f"pip install -e '{clone}[{extra}]'"
    return "pip install " + " ".join(f"'{r}'" for r in required)


def _requirements() -> list[str]:
    try:
        return metadata.requires("poedsl") or []
    except metadata.PackageNotFoundError:
        return []


def first_sentence(error: Exception) -> str:
    """The first sentence of an error's message, on one line."""
    message = " ".join(str(error).split()) or repr(error)
    return message.partition(". ")[0]
