"""Functions along one axis of a constant, and the types of their results."""

from __future__ import annotations

from collections.abc import Callable

from poedsl.compiler.functions.constants import Number, flatten, shape
from poedsl.compiler.functions.function import ArgumentError, ArgumentType, FunctionParameter
from poedsl.compiler.functions.result_types import number_type
from poedsl.compiler.plan.terms import Value
from poedsl.grammar.types import Sizes, Type

#: The axis to reduce; all components where it is omitted.
AXIS = FunctionParameter("axis", "whole number", default=None)


def axis_of(sizes: Sizes, axis: ArgumentType) -> int:
    """The number of an axis from the front."""
    rank = len(sizes)
    assert isinstance(axis.value, int)
    if -rank <= axis.value < rank:
        return axis.value % rank
    if not rank:
        raise ArgumentError("a single number has no axis", "P0305")
    raise ArgumentError(f"the axis {axis.value} is outside of 0 to {rank - 1}", "P0305")


def reduced_along(x: ArgumentType, axis: ArgumentType | None, name: str = "") -> Type:
    """The type without an axis; one number where no axis is given."""
    name = name or number_type((x,))
    if axis is None:
        return Type(name)
    at = axis_of(x.type.sizes, axis)
    return Type(name, (*x.type.sizes[:at], *x.type.sizes[at + 1 :]))


def along(value: Value, axis: int, f: Callable[[list[Number]], Value], keeps: bool) -> Value:
    """Apply ``f`` to the numbers along an axis.

    Args:
        keeps: whether its values are vectors, which take the place of the axis.
    """
    assert isinstance(value, tuple)
    rank = len(shape(value))
    if axis % rank:
        return tuple(along(row, axis % rank - 1, f, keeps) for row in value)
    if rank == 1:
        return f(flatten(value))
    rows = [row for row in value if isinstance(row, tuple)]
    columns = [along(column, 0, f, keeps) for column in zip(*rows, strict=True)]
    if not keeps:
        return tuple(columns)
    return tuple(zip(*(c for c in columns if isinstance(c, tuple)), strict=True))


def reduced(f: Callable[[list[Number]], Value]) -> Callable[..., Value]:
    """A function of all components, or of those along an axis."""

    def evaluate(x: Value, axis: int | None = None) -> Value:
        return f(flatten(x)) if axis is None else along(x, axis, f, keeps=False)

    return evaluate


def kept(f: Callable[[list[Number]], Value]) -> Callable[..., Value]:
    """A function from vectors to vectors of their length, along an axis."""
    return lambda x, axis: along(x, axis, f, keeps=True)
