"""The optional libraries transformers and diffusers."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from poedsl.catalog.installation import install_command
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


#: Parts of the warnings of libraries of texts that are cut, which have a warning of their own.
#: Their records have no codes: only the wording tells them apart.
_OF_CUT_TEXTS = ("truncated", "longer than the specified maximum")


@contextmanager
def library_warnings() -> Iterator[set[str]]:
    """What diffusers and transformers warn of in its block, which they then do not print.

    Texts that a tokenizer cuts are reported by their own warning, and are left out.
    """
    messages: set[str] = set()

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            message = " ".join(record.getMessage().split())
            cut = any(part in message for part in _OF_CUT_TEXTS)
            if record.levelno >= logging.WARNING and not cut:
                messages.add(message)

    with ExitStack() as stack:
        for library in ("diffusers", "transformers"):
            stack.enter_context(_collecting(logging.getLogger(library), Collector()))
        yield messages


@contextmanager
def _collecting(logger: logging.Logger, collector: logging.Handler) -> Iterator[None]:
    """With one handler of a logger in the place of its own."""
    handlers, level = tuple(logger.handlers), logger.level
    for handler in handlers:
        logger.removeHandler(handler)
    logger.addHandler(collector)
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.removeHandler(collector)
        for handler in handlers:
            logger.addHandler(handler)
        logger.setLevel(level)


@contextmanager
def _quiet(messages: Any) -> Iterator[None]:
    shown, level = messages.is_progress_bar_enabled(), messages.get_verbosity()
    messages.disable_progress_bar()
    messages.set_verbosity(messages.CRITICAL)
    try:
        yield
    finally:
        messages.set_verbosity(level)
        if shown:
            messages.enable_progress_bar()


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


def first_sentence(error: Exception) -> str:
    """The first sentence of an error's message, on one line."""
    message = " ".join(str(error).split()) or repr(error)
    return message.partition(". ")[0]
