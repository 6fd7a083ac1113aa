"""The types a program can name, and how their sizes unify."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

Sizes = tuple[int | None, ...]

#: How many sizes a type takes when they are written: a number, or None for any number of them.
RANKS: dict[str, int | None] = {
    "Real": None,
    "Int": None,
    "Bool": None,
    "Image": 3,
    "Depth": 2,
    "Mask": 2,
    "Video": 4,
    "Tokens": 1,
    "Category": 1,
    "Text": 0,
    "Region": 0,
    "Layout": 0,
    "File": 0,
}
#: Types whose values are numbers, so that arithmetic applies to them.
NUMERIC = frozenset({"Real", "Int", "Bool", "Image", "Depth", "Mask", "Video"})
#: Types that no program writes: a part of a layout, and what a source returns.
RECORDS = frozenset({"Part", "Record"})
#: Types a variable may have and a particle may hold as a tensor of reals.
CONTINUOUS = frozenset({"Real", "Image", "Video"})
#: Types whose values are symbols 0, 1, 2, ...: a sequence of them, or one of a number of them.
SYMBOLS = frozenset({"Tokens", "Category"})
#: The most sizes of a value, as many as a tensor can have.
MOST_SIZES = 32
#: Types that a variable may have.
SAMPLED = CONTINUOUS | SYMBOLS
#: Types whose values are bound from files; their defaults are paths.
FROM_FILES = frozenset({"Image", "Depth", "Mask", "Video", "Layout", "File"})


@dataclass(frozen=True, slots=True)
class Type:
    """A type with its sizes; a size that is None is open."""

    name: str
    sizes: Sizes = ()

    def __str__(self) -> str:
        if not self.sizes or self == open_type(self.name):
            return self.name
        return f"{self.name}[{', '.join('_' if s is None else str(s) for s in self.sizes)}]"

    @property
    def is_numeric(self) -> bool:
        return self.name in NUMERIC

    @property
    def is_closed(self) -> bool:
        return all(s is not None for s in self.sizes)

    @property
    def count(self) -> int | None:
        """Number of components, None while a size is open."""
        total = 1
        for size in self.sizes:
            if size is None:
                return None
            total *= size
        return total


def open_type(name: str) -> Type:
    """The type with all its sizes left open (``Real`` alone is a single number)."""
    return Type(name, (None,) * (RANKS[name] or 0))


REAL = Type("Real")
INT = Type("Int")
BOOL = Type("Bool")
TEXT = Type("Text")
#: The type of `none`, and of an argument that is omitted.
NONE = Type("None")


def unify(a: Type, b: Type) -> Type | None:
    """The type that both are, open sizes taken from the other; None where they clash."""
    if a.name != b.name or len(a.sizes) != len(b.sizes):
        return None
    sizes = []
    for x, y in zip(a.sizes, b.sizes, strict=True):
        if x is not None and y is not None and x != y:
            return None
        sizes.append(y if x is None else x)
    return replace(a, sizes=tuple(sizes))


def broadcast(a: Sizes, b: Sizes) -> Sizes | None:
    """NumPy's broadcasting of two shapes, open sizes staying open; None where they clash."""
    out: list[int | None] = []
    for i in range(1, max(len(a), len(b)) + 1):
        x = a[-i] if i <= len(a) else 1
        y = b[-i] if i <= len(b) else 1
        if x == 1 or x == y:
            out.append(y)
        elif y == 1 or y is None:
            out.append(x)
        elif x is None:
            out.append(y)
        else:
            return None
    return tuple(reversed(out))


def type_to_json(type_: Type) -> dict[str, Any]:
    return {"name": type_.name, "sizes": list(type_.sizes)}


def type_from_json(data: dict[str, Any]) -> Type:
    """The inverse of `type_to_json`; raises KeyError or TypeError on anything else."""
    return Type(data["name"], tuple(map(whole, data["sizes"])))


def whole(data: Any) -> Any:
    """A whole number as such, which JSON may write with a point; anything else as it is."""
    return int(data) if isinstance(data, float) else data
