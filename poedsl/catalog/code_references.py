"""References to Python code: ``file.py:name`` and ``package.module:name``, without importing it."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from poedsl.grammar.program_files import is_file

_REFERENCE = re.compile(r"(?P<location>.+):(?P<name>[^\W\d]\w*)", re.DOTALL)
_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


class DefinitionError(Exception):
    """A ``use`` statement or a decorated object that no expert, reward or source can be made of.

    Attributes:
        code: of the diagnostic, such as P0208. message, notes: of the diagnostic. instead: a
            reference with a similar name; empty where there is none.
    """

    def __init__(self, code: str, message: str, *notes: str, instead: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.notes = notes
        self.instead = instead


@dataclass(frozen=True, slots=True)
class CodeReference:
    """A name in a Python file or in a module.

    Attributes:
        location: the path of a file, or the dotted name of a module.
    """

    location: str
    name: str

    @classmethod
    def parse(cls, text: str) -> CodeReference | None:
        """Parse ``location:name``; None for any other text, such as the folder of a model."""
        match = _REFERENCE.fullmatch(text)
        return None if match is None else cls(match["location"], match["name"])

    def __str__(self) -> str:
        return f"{self.location}:{self.name}"

    @property
    def is_file(self) -> bool:
        """Whether the location is a file, and not a module."""
        return self.location.endswith(".py") or not _MODULE.fullmatch(self.location)

    def file(self, base: Path) -> Path:
        """The absolute path of the file with its source.

        Args:
            base: the folder that files are relative to. Modules are searched in `sys.path`.

        Raises:
            DefinitionError: there is no such file or module (P0206).
        """
        if self.location.startswith("<"):
            message = f"`{self.name}` was defined in another session of Python, {self.location}"
            raise DefinitionError("P0206", message, "what stands in a file can be run anywhere")
        if self.is_file:
            path = base / self.location
            if is_file(path):
                return path.resolve()
            raise DefinitionError("P0206", f"there is no file {shown(path)}")
        source_file = _module_file(self.location)
        if source_file is None:
            raise DefinitionError(
                "P0206",
                f"there is no Python source of a module `{self.location}`",
                "modules are looked for where Python would: " + _searched(),
                'a file beside the program is written with its ending: "rewards.py:f"',
            )
        return source_file.resolve()


def shown(path: Path) -> str:
    """A path for messages: relative to the working directory where it is below it."""
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
