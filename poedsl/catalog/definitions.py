"""Decorated functions and classes, as data.

The decorators make a `Definition` of an object of Python, the compiler of its syntax; the signature
is inferred from it in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from poedsl.catalog.annotations import Annotation, Record
from poedsl.catalog.code_references import DefinitionError
from poedsl.catalog.signatures import REQUIRED

Kind = Literal["expert", "reward", "source", "model"]

#: The decorators, and the options that each takes.
OPTIONS: dict[Kind, tuple[str, ...]] = {
    "expert": ("domain", "cost", "citation"),
    "reward": ("gradient", "domain", "cost", "citation"),
    "source": ("cost", "citation"),
    "model": ("cost", "citation"),
}

#: A function that calls this is a model of Pyro's, decorated or not.
PYRO_SAMPLE = "pyro.sample"


@dataclass(frozen=True, slots=True)
class UnreadableDefinition:
    """An annotation, a default or an option that cannot be read, and the reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class PythonParameter:
    """A parameter of a Python function.

    Attributes:
        annotation: None where there is none. keyword: whether it can be given by its name.
    """

    name: str
    annotation: Annotation | Record | UnreadableDefinition | None = None
    default: object = REQUIRED
    keyword: bool = True


@dataclass(frozen=True, slots=True)
class PythonFunction:
    """A Python function: its parameters (of a method without ``self``) and what it returns.

    Attributes:
        open: ``*args`` or ``**kwargs`` where it takes any number; else empty. line: of its
            definition.
    """

    arguments: tuple[PythonParameter, ...] = ()
    returns: Annotation | Record | UnreadableDefinition | None = None
    open: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Definition:
    """A decorated function or class.

    Attributes:
        doc: the docstring. constructor: the function itself, or ``__init__`` of a class.
        methods: those in the body of a class; None for a function. options: of the decorator, by
            name. file: as shown in messages.
    """

    kind: Kind
    name: str
    doc: str
    constructor: PythonFunction
    methods: Mapping[str, PythonFunction] | None = None
    options: Mapping[str, object] = field(default_factory=dict)
    file: str = ""

    def error(self, code: str, message: str, line: int = 0) -> DefinitionError:
        """An error with the place of the definition in a note."""
        return DefinitionError(code, message, f"at {self.file}:{line or self.constructor.line}")
