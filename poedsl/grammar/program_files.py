"""Texts in files, and strings that name them."""

from __future__ import annotations

from pathlib import Path

from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError


def is_path(value: str | Path, *endings: str) -> bool:
    """Whether it is a path, or a string without line breaks that ends like one."""
    return isinstance(value, Path) or ("\n" not in value and value.strip().endswith(endings))


def read_text(path: str | Path) -> str:
    """The text of a file.

    Raises:
        PoeError: it cannot be read (P0604).
        ValueError: it is not UTF-8.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        raise PoeError((Diagnostic("P0604", message),)) from error
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not a text in UTF-8") from None
