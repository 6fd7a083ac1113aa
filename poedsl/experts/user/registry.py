"""The decorated functions and classes of this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from poedsl.catalog.code_references import CodeReference, DefinitionError, shown
from poedsl.catalog.definitions import Kind
from poedsl.catalog.signatures import Signature
from poedsl.experts.user.errors import definition_error

#: The time of the last change of a file in nanoseconds, and its size in bytes.
Stamp = tuple[int, int]


@dataclass(frozen=True, slots=True)
class UserCode:
    """A function or class that is an expert, a reward or a source.

    Attributes:
        target: the function or class. file, line: of its definition.
        stamp: of its file, where it was run for a program; else None.
        kind: of its decorator.
        args, kwargs: arguments of a model of Pyro's beside those that a program gives.
    """

    signature: Signature
    target: Callable[..., Any]
    file: str
    line: int
    stamp: Stamp | None = None
    kind: Kind = "expert"
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"`{self.target.__name__}` at {shown(Path(self.file))}:{self.line}"


@dataclass(slots=True)
class Registry:
    """Decorated objects by name, and by their file and name.

    Attributes:
        named: those that programs can use without ``use``.
        placed: all, by file and name.
        invalid: definitions without a signature in files that were run for a program. The error is
            raised where a program uses one of them.
    """

    named: dict[str, UserCode] = field(default_factory=dict)
    placed: dict[tuple[str, str], UserCode] = field(default_factory=dict)
    invalid: dict[tuple[str, str], DefinitionError] = field(default_factory=dict)
    _stamp: Stamp | None = None

    @property
    def running_file(self) -> bool:
        """Whether a file is being run for a program."""
        return self._stamp is not None

    def signatures(self) -> dict[str, Signature]:
        """Signatures that programs can use without ``use``."""
        return {name: code.signature for name, code in self.named.items()}

    def called(self, signatures: Mapping[str, Signature]) -> dict[str, UserCode]:
        """The objects of these names that still have these signatures."""
        return {n: c for n, c in self.named.items() if signatures.get(n) == c.signature}

    def add(self, code: UserCode) -> None:
        """Register an object; it replaces an earlier one of the same name."""
        if self._stamp is None:
            self.named[code.signature.name] = code
        self.placed[code.file, code.target.__name__] = replace(code, stamp=self._stamp)

    def refuse(self, target: Callable[..., Any], file: str, error: DefinitionError) -> None:
        """Record the error of a definition in a file that is run for a program.

        Raises:
            PoeError: no file is run for a program: the error belongs to the caller.
        """
        if self._stamp is None:
            raise definition_error(error) from None
        self.invalid[file, target.__name__] = error

    def at(self, reference: CodeReference, base: Path) -> UserCode | None:
        """The object of a reference; None where it has not been decorated.

        Args:
            base: the folder that files are relative to.

        Raises:
            DefinitionError: there is no such file or module (P0206).
        """
        if (reference.location, reference.name) in self.placed:
            return self.placed[reference.location, reference.name]
        return self.placed.get((str(reference.file(base)), reference.name))

    @contextmanager
    def running(self, stamp: Stamp) -> Iterator[None]:
        """While a file is run for a program: its objects are registered by file and name only."""
        self.invalid.clear()
        before, self._stamp = self._stamp, stamp
        try:
            yield
        finally:
            self._stamp = before


REGISTRY = Registry()
