"""Texts in files, and strings that name them."""

from __future__ import annotations

import io
import os
from pathlib import Path

from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError
from poedsl.grammar.limits import read_limited


def is_path(value: str | Path, *endings: str) -> bool:
    """Whether it is a path, or a string without line breaks that ends like one."""
    return isinstance(value, Path) or ("\n" not in value and value.strip().endswith(endings))


def is_file(path: str | Path) -> bool:
    """Whether a name is that of a file; what cannot be a name is that of none."""
    return os.path.isfile(path)


def is_folder(path: str | Path) -> bool:
    """Whether a name is that of a folder, as `is_file`."""
    return os.path.isdir(path)


def read_text(path: str | Path, limit: str = "program") -> str:
    """The text of a file.

    Args:
        limit: the limit of its size.

    Raises:
        PoeError: it cannot be read (P0604), or is too large (P0507).
        ValueError: it is not UTF-8.
    """
    try:
        content = read_limited(Path(path), limit)
    except (OSError, ValueError) as error:
        message = f"{path} cannot be read: {getattr(error, 'strerror', None) or error}"
        raise PoeError((Diagnostic("P0604", message),)) from error
    if isinstance(content, Diagnostic):
        raise PoeError((content,))
    try:
        return decoded(content)
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not a text in UTF-8") from None


def decoded(content: bytes) -> str:
    """A text in UTF-8, with line breaks as Python has them.

    Raises:
        UnicodeDecodeError: it is none.
    """
    return io.TextIOWrapper(io.BytesIO(content), encoding="utf-8").read()
