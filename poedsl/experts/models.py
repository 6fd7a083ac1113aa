"""Where the weights of learned experts are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from poedsl.grammar.diagnostics import Diagnostic, PoeError

_PACKAGE = Path(__file__).resolve().parent.parent


def model_folder(name: str) -> Path:
    """The folder of a model: a path as given, or one of those that come with the package.

    Raises:
        PoeError: there is no such folder.
    """
    folder = local_folder(name)
    if folder is None:
        message = f"the model `{name}` is not here: there is no such folder"
        raise PoeError((Diagnostic("P0701", message),))
    return folder


def local_folder(name: str) -> Path | None:
    """The folder of a model, where there is one."""
    places = (Path(name), _PACKAGE / "models" / name, _PACKAGE.parent / "models" / name)
    return next((p for p in places if p.is_dir()), None)


@contextmanager
def quiet_loading() -> Iterator[None]:
    """Without transformers' bars, which do not know whether anybody watches."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def missing_extra(expert: str, extra: str, error: ImportError) -> PoeError:
    """What to say where an optional library is not installed."""
    return PoeError(
        (
            Diagnostic(
                "P0703",
                f"`{expert}` needs the library `{error.name}`, which is not installed",
                notes=(f"install it with: pip install 'poedsl[{extra}]'",),
            ),
        )
    )
