"""Terms with their types, and the wording that messages use for them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import cast

from poedsl.compiler.functions.constants import elementwise, flat, leaf, shape
from poedsl.compiler.plan.terms import Apply, Const, Term, Value
from poedsl.grammar.source import Span
from poedsl.grammar.types import INT, Type, unify

#: The type of an expression with an error that has been reported: nothing more is said about it.
POISON = Type("?")

_WORDS = {
    "Text": "a text",
    "Bool": "a condition",
    "None": "`none`",
    "Region": "a region",
    "File": "a file",
    "Layout": "a layout",
    "Part": "a part of a layout",
    "Record": "what a source returns",
}


@dataclass(frozen=True, slots=True)
class Typed:
    """A term and its type.

    Attributes:
        fields: of a record, the names and types of its fields.
        labels: what the term calls the fields, where a scan has renamed them.
    """

    term: Term
    type: Type
    fields: tuple[tuple[str, Type], ...] = ()
    labels: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return self.type != POISON

    @property
    def value(self) -> Value | None:
        """The value of a constant; None for other terms."""
        return self.term.value if isinstance(self.term, Const) else None


POISONED = Typed(Const(None), POISON)


def typed_constant(value: Value, span: Span) -> Typed:
    kind = {bool: "Bool", int: "Int"}.get(type(value), "Real")
    if isinstance(value, tuple) and isinstance(leaf(value), bool):
        kind = "Bool"
    return Typed(Const(value, span), Type(kind, shape(value)))


def as_number(typed: Typed) -> Typed:
    """A condition as 1 where it holds and 0 elsewhere; all else as it is."""
    if typed.type.name != "Bool":
        return typed
    type_ = Type("Int", typed.type.sizes)
    if isinstance(typed.term, Const):
        return Typed(Const(elementwise(int, typed.term.value), typed.term.span), type_)
    span = typed.term.span
    return Typed(Apply("where", (typed.term, Const(1), Const(0)), span=span), type_)


def fits(type_: Type, required: Type) -> bool:
    """Whether a value of a type is accepted where another type is required.

    Whole numbers are reals, tensors of numbers are pictures, tokens are read as text, and a text
    names a file.
    """
    if type_.name == "Int" and required.name == "Real":
        type_ = Type("Real", type_.sizes)
    if type_.name in ("Real", "Int") and required.name in ("Image", "Depth", "Mask", "Video"):
        type_ = Type(required.name, type_.sizes)
    if (type_.name, required.name) in (("Tokens", "Text"), ("Text", "File")):
        return True
    return unify(type_, required) is not None


def counted(typed: Typed) -> Typed:
    """Symbols as whole numbers."""
    if typed.type.name == "Tokens":
        return replace(typed, type=Type("Int", typed.type.sizes))
    return replace(typed, type=INT) if typed.type.name == "Category" else typed


def finite(value: Value) -> bool:
    """Whether every number of a constant is one that a float can hold."""
    match value:
        case tuple() if flat(value) and set(map(type, value)) == {float}:
            return all(map(math.isfinite, cast("tuple[float, ...]", value)))
        case tuple():
            return all(map(finite, value))
        case float():
            return math.isfinite(value)
        case int():
            return value.bit_length() < 1024
        case _:
            return True


def sized(type_: Type) -> str:
    """A type in a message about shapes: ``Real[2]``, ``a single Real``."""
    return f"{type_}" if type_.sizes else f"a single {type_}"


def describe(type_: Type) -> str:
    """A type in words."""
    if type_.name in _WORDS:
        return _WORDS[type_.name]
    if type_.name in ("Real", "Int"):
        if not type_.sizes:
            return "a number" if type_.name == "Real" else "a whole number"
        kind = {1: "a vector", 2: "a matrix"}.get(len(type_.sizes), "a tensor")
        sizes = ", ".join("_" if s is None else str(s) for s in type_.sizes)
        return f"{kind} [{sizes}]"
    return f"{'an' if type_.name[0] in 'AEIO' else 'a'} {type_}"


def sampled(type_: Type) -> str:
    """The variable's type where two sizes are compared: its height and width."""
    return " x ".join("_" if size is None else str(size) for size in type_.sizes[-2:])
