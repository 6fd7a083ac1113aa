"""What a function of the language is: its parameters, the type of its result and its value.

A function is one row in the module of its family, and one function on tensors under the same name
in the runtime.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from poedsl.catalog.signatures import REQUIRED, Required
from poedsl.compiler.plan.terms import Const, Value
from poedsl.grammar.types import INT, Type


class ArgumentType(NamedTuple):
    """The type of an argument, and its value where it is known when the program is compiled."""

    type: Type
    value: Value | None

    @property
    def is_number(self) -> bool:
        return self.type.is_numeric and self.type.name != "Bool"


class ArgumentError(Exception):
    """Arguments for which a function has no result; the text continues after its name."""

    def __init__(self, message: str, code: str = "P0306", *notes: str) -> None:
        super().__init__(message)
        self.code = code
        self.notes = notes


class Deferred(Exception):
    """A constant that takes long to compute, and is left to the run."""


#: From arguments to the type of the result, or to the result itself where types determine it.
TypeRule = Callable[..., Type | Const]


class ParameterKind(NamedTuple):
    """The arguments that a parameter accepts.

    Attributes:
        description: for messages.
        code: of the error for other arguments.
        accepts: whether an argument is of this kind.
        is_setting: whether it determines how to compute, so that it may not depend on a variable.
        accepts_symbols: whether tokens are accepted as they are, and not as whole numbers.
    """

    description: str
    code: str
    accepts: Callable[[ArgumentType], bool]
    is_setting: bool = False
    accepts_symbols: bool = False


PARAMETER_KINDS = {
    "numbers": ParameterKind("numbers", "P0311", lambda a: a.is_number),
    "countable": ParameterKind("numbers or conditions", "P0311", lambda a: a.type.is_numeric),
    "conditions": ParameterKind("conditions", "P0311", lambda a: a.type.name == "Bool"),
    "number": ParameterKind(
        "a single number", "P0302", lambda a: a.is_number and not a.type.sizes, is_setting=True
    ),
    "whole number": ParameterKind(
        "a whole number known when the program is compiled",
        "P0302",
        lambda a: isinstance(a.value, int) and not isinstance(a.value, bool),
        is_setting=True,
    ),
    "count": ParameterKind(
        "a whole number",
        "P0306",
        lambda a: type(a.value) is int or a.type == INT,
        is_setting=True,
    ),
    "picture": ParameterKind(
        "a picture, a depth, a mask or a video",
        "P0302",
        lambda a: a.is_number and len(a.type.sizes) > 1,
    ),
    "region": ParameterKind(
        "a region", "P0302", lambda a: a.type.name == "Region", is_setting=True
    ),
    "text": ParameterKind("a text", "P0302", lambda a: a.type.name == "Text", is_setting=True),
    "words": ParameterKind(
        "a text or tokens",
        "P0302",
        lambda a: a.type.name in ("Text", "Tokens"),
        accepts_symbols=True,
    ),
    "sequence": ParameterKind(
        "a vector, a text or tokens",
        "P0302",
        lambda a: bool(a.type.sizes) or a.type.name == "Text",
        accepts_symbols=True,
    ),
}


@dataclass(frozen=True, slots=True)
class FunctionParameter:
    """A parameter of a function.

    Attributes:
        takes: the arguments that it accepts, a name in `PARAMETER_KINDS`.
        default: its value when omitted; None where the call then means something else.
    """

    name: str
    takes: str = "numbers"
    default: Required | int | None = REQUIRED

    @property
    def required(self) -> bool:
        return isinstance(self.default, Required)

    @property
    def kind(self) -> ParameterKind:
        return PARAMETER_KINDS[self.takes]

    def __str__(self) -> str:
        if self.default is None:
            return f"[{self.name}]"
        return self.name if self.required else f"{self.name} = {self.default}"


def parameters(*names: str, takes: str = "numbers") -> tuple[FunctionParameter, ...]:
    """Required parameters of one kind."""
    return tuple(FunctionParameter(name, takes) for name in names)


@dataclass(frozen=True, slots=True)
class Function:
    """A function of numbers, conditions, pictures, regions or text.

    Attributes:
        result_type: from arguments to the type of the result; raises `ArgumentError`.
        example: an expression, over ``mask``, ``depth``, ``image``, ``video`` and ``prompt``.
        fold: the value at constants; None where the call is evaluated by the runtime only.
        has_atoms: whether one value may have positive probability where arguments are continuous.
    """

    name: str
    parameters: tuple[FunctionParameter, ...]
    result_type: TypeRule
    summary: str
    example: str
    fold: Callable[..., Value] | None = None
    has_atoms: bool = False

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(str, self.parameters))})"
