"""Places of Python code: ``file.py:name`` and ``package.module:name``, found without importing."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

_PLACE = re.compile(r"(?P<where>.+):(?P<name>[^\W\d]\w*)", re.DOTALL)
_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


class Unusable(Exception):
    """What keeps a ``use``, or something decorated, from being an expert, a reward or a source.

    Attributes:
        code: of the diagnostic. notes: what more there is to say. instead: the place that was
            probably meant; empty where nothing comes near.
    """

    def __init__(self, code: str, message: str, *notes: str, instead: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.notes = notes
        self.instead = instead


@dataclass(frozen=True, slots=True)
class Place:
    """A name in a file or, with dots and no ending, in a module."""

    where: str
    name: str

    @classmethod
    def read(cls, text: str) -> Place | None:
        """A place in Python code; None for any other, such as the folder of a model."""
        match = _PLACE.fullmatch(text)
        return None if match is None else cls(match["where"], match["name"])

    def __str__(self) -> str:
        return f"{self.where}:{self.name}"

    @property
    def is_file(self) -> bool:
        """Whether it names a file, and not a module."""
        return self.where.endswith(".py") or not _MODULE.fullmatch(self.where)

    def file(self, base: Path) -> Path:
        """The file of its source, by its absolute path.

        Raises:
            Unusable: there is none.
        """
        if self.where.startswith("<"):
            message = f"`{self.name}` was defined in another session of Python, {self.where}"
            raise Unusable("P0206", message, "what stands in a file can be run anywhere")
        if self.is_file:
            path = base / self.where
            if is_file(path):
                return path.resolve()
            raise Unusable("P0206", f"there is no file {shown(path)}")
        found = _module_file(self.where)
        if found is None:
            raise Unusable(
                "P0206",
                f"there is no Python source of a module `{self.where}`",
                "modules are looked for where Python would: " + _searched(),
                'a file beside the program is written with its ending: "rewards.py:f"',
            )
        return found.resolve()


def is_file(path: Path) -> bool:
    """Whether a file is there, and can be seen."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def shown(path: Path) -> str:
    """A path as a person knows it: below the working directory without that."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except (OSError, ValueError):
        return str(path)


def _module_file(module: str) -> Path | None:
    inner = Path(*module.split("."))
    for entry in sys.path:
        for path in (Path(entry, inner, "__init__.py"), Path(entry, inner).with_suffix(".py")):
            if is_file(path):
                return path
    return None


def _searched() -> str:
    folders = [entry or "." for entry in sys.path if Path(entry).is_dir()]
    return ", ".join(folders[:3]) + (", ..." if len(folders) > 3 else "")
