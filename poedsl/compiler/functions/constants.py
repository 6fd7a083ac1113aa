"""Constants: numbers, and nested tuples of them as vectors and matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from poedsl.compiler.plan.terms import Apply, Const, Term, Value
from poedsl.grammar.types import Sizes

Number = float | int | bool

#: The most numbers of one constant.
MOST_NUMBERS = 1_000_000


def constant_value(term: Term) -> Value | None:
    """The value of a constant, or the sides or ends of a region; None for other terms."""
    if isinstance(term, Apply) and term.function in ("box", "frames"):
        return tuple(a.value for a in term.args if isinstance(a, Const))
    return term.value if isinstance(term, Const) else None


def shape(value: Value) -> Sizes:
    """The shape of a constant: () for a scalar; raises ValueError where rows differ in length."""
    if not isinstance(value, tuple):
        return ()
    if flat(value):
        return (len(value),)
    shapes = {shape(v) for v in value}
    if len(shapes) > 1:
        raise ValueError("its rows differ in length")
    return (len(value), *shapes.pop())


def flat(value: tuple[Value, ...]) -> bool:
    """Whether a constant is a vector."""
    return tuple not in set(map(type, value))


def leaf(value: Value) -> Value:
    """The first number of a constant; None if it has none."""
    while isinstance(value, tuple):
        value = value[0] if value else None
    return value


def flatten(value: Value) -> list[Number]:
    """The numbers of a constant, in order."""
    if isinstance(value, tuple):
        return (
            cast("list[Number]", list(value))
            if flat(value)
            else [x for v in value for x in flatten(v)]
        )
    assert isinstance(value, (bool, int, float))
    return [value]


def elementwise(f: Callable[..., Value], *values: Value) -> Value:
    """Apply ``f`` to scalars, broadcasting as NumPy does."""
    rank = max(len(shape(v)) for v in values)
    if rank == 0:
        return f(*values)
    full = [_with_rank(v, rank) for v in values]
    length = max(len(v) for v in full)
    rows = [v if len(v) == length else v * length for v in full]
    return tuple(elementwise(f, *row) for row in zip(*rows, strict=True))


def _with_rank(value: Value, rank: int) -> tuple[Value, ...]:
    for _ in range(rank - len(shape(value))):
        value = (value,)
    assert isinstance(value, tuple)
    return value
