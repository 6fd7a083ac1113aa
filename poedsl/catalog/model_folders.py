"""Where the weights of learned experts are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError

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
    """Without the bars of transformers and diffusers, which do not know whether anybody watches,
    and what they say of weights that nobody wants.
    """
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
