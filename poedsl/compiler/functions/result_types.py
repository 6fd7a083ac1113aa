"""Types of results that several functions share."""

from __future__ import annotations

from collections.abc import Iterable

from poedsl.compiler.functions.constants import MOST_NUMBERS
from poedsl.compiler.functions.function import ArgumentError, ArgumentType, TypeRule
from poedsl.grammar.types import Sizes, Type, broadcast


def number_type(arguments: Iterable[ArgumentType]) -> str:
    """``Int`` for functions that map whole numbers to whole numbers, when all arguments are."""
    return "Int" if all(a.type.name in ("Int", "Bool") for a in arguments) else "Real"


def elementwise_type(name: str = "") -> TypeRule:
    """Component by component, broadcast; of type ``name``, by default that of the arguments."""

    def result_type(*arguments: ArgumentType) -> Type:
        sizes: Sizes = ()
        for argument in arguments:
            wider = broadcast(sizes, argument.type.sizes)
            if wider is None:
                shown = " and ".join(str(a.type) for a in arguments)
                raise ArgumentError(f"its arguments have shapes that do not fit: {shown}", "P0303")
            sizes = wider
        return Type(name or number_type(arguments), sizes)

    return result_type


def single_numbers(*arguments: ArgumentType) -> list[float] | None:
    """The arguments as numbers; None where one is not a single number known when compiling."""
    values = [a.value for a in arguments if isinstance(a.value, (int, float))]
    return values if len(values) == len(arguments) else None


def limited(count: int) -> int:
    """A count of numbers that a constant can have."""
    if count > MOST_NUMBERS:
        raise ArgumentError(
            f"{count:,} numbers are too many: a constant has at most {MOST_NUMBERS:,}"
        )
    return count
