"""Types of the language as annotations of Python: ``Real[2]``, ``Image[3, 64, 64]``, ``float``.

Read from objects where the code runs, and from its syntax where it does not.
"""

from __future__ import annotations

import ast
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from poedsl.grammar.types import RANKS, Sizes, Type

#: A number; None for any; in what a source returns, an argument: ``frames``, ``size.0``.
Size = int | str | None

_ARGUMENT = re.compile(r"[^\W\d]\w*(\.\d+)?")
#: Maps may be films of maps, with a frame each.
_FRAMED = ("Depth", "Mask")


@dataclass(frozen=True, slots=True)
class Annotation:
    """A type as an annotation. ``sizes`` is None for tensors of any shape: ``Real[...]``."""

    name: str
    sizes: tuple[Size, ...] | None

    def __getitem__(self, sizes: object) -> Annotation:
        """The type with sizes: ``Image[3, 64, 64]``, ``Image[1, None, None]``, ``Real[...]``.

        Raises:
            TypeError: they are no sizes of this type.
        """
        given = sizes if isinstance(sizes, tuple) else (sizes,)
        if self.name == "Real" and given == (...,):
            return Annotation("Real", None)
        rank = RANKS[self.name]
        ranks = (rank,) if self.name not in _FRAMED else (2, 3)
        if rank is not None and len(given) not in ranks:
            raise TypeError(f"{self.name} takes {' or '.join(map(str, ranks))} sizes")
        return Annotation(self.name, tuple(map(_size, given)))

    def __or__(self, other: None) -> Annotation:
        return self

    __ror__ = __or__

    @property
    def type(self) -> Type | None:
        """The type of the language; None for tensors of any shape.

        Raises:
            ValueError: a size is the name of an argument.
        """
        if self.sizes is None:
            return None
        sizes: Sizes = tuple(s for s in self.sizes if not isinstance(s, str))
        if len(sizes) < len(self.sizes):
            raise ValueError("sizes are whole numbers from 1, or None where they are open")
        return Type(self.name, sizes)


def _size(size: object) -> Size:
    if size is None or size == "_":
        return None
    if isinstance(size, int) and not isinstance(size, bool) and 1 <= size < 2**31:
        return size
    if isinstance(size, str) and _ARGUMENT.fullmatch(size):
        return size
    raise TypeError("sizes are whole numbers from 1, or None where they are open")


@dataclass(frozen=True, slots=True, init=False)
class Record:
    """What a source returns under several names: ``Record(depth=Depth, mask=Mask)``."""

    fields: tuple[tuple[str, Annotation], ...]

    def __init__(self, **fields: object) -> None:
        read = [(name, annotation(kind)) for name, kind in fields.items()]
        own = tuple((name, kind) for name, kind in read if isinstance(kind, Annotation))
        if not own or len(own) < len(read):
            raise TypeError("a record has fields, and each is of a type that is no record")
        object.__setattr__(self, "fields", own)


#: Every type under its name.
ANNOTATIONS: dict[str, Annotation] = {
    name: Annotation(name, (None,) * (rank or 0)) for name, rank in RANKS.items()
}
_PYTHON: dict[object, str] = {float: "Real", int: "Int", bool: "Bool", str: "Text"}
_BUILTINS = {"float": "Real", "int": "Int", "bool": "Bool", "str": "Text"}


def annotation(value: object, namespace: Mapping[str, object] | None = None) -> Annotation | Record:
    """What an annotation says, given as an object or as text.

    Args:
        namespace: of the module that a text is from, which has been run; without it nothing runs.

    Raises:
        TypeError: it is no type of the language.
    """
    match value:
        case Annotation() | Record():
            return value
        case str():
            return _from_text(value, namespace)
        case int() | float():
            raise TypeError("a number is no type of the language")
    if isinstance(value, type) and value in _PYTHON:
        return ANNOTATIONS[_PYTHON[value]]
    if typing.get_origin(value) in (typing.Union, types.UnionType):
        inner = [t for t in typing.get_args(value) if t is not type(None)]
        if len(inner) == 1:
            return annotation(inner[0])
    shown = value.__name__ if isinstance(value, type) else repr(value)
    raise TypeError(f"{brief(shown)} is no type of the language")


def _from_text(text: str, namespace: Mapping[str, object] | None) -> Annotation | Record:
    """By what its names stand for, where they are known; else by its syntax."""
    if namespace is not None:
        try:
            value = eval(text, {**ANNOTATIONS, "Record": Record, **namespace})
        except Exception:
            return annotation_of(_parsed(text), str)
        return annotation(value)
    return annotation_of(_parsed(text), str)


def _parsed(text: str) -> ast.expr:
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise TypeError(f"{brief(text)} is no type of the language") from None


def brief(text: str) -> str:
    """A piece of code as a message quotes it."""
    return f"`{text}`" if len(text) <= 60 else f"`{text[:57]}...`"


def annotation_of(node: ast.expr, origin: Callable[[str], str]) -> Annotation | Record:
    """What the syntax of an annotation says; nothing is run.

    Args:
        origin: where a name of the module comes from: ``poedsl.Real`` for ``Real``.

    Raises:
        TypeError: it is no type of the language.
    """
    match node:
        case ast.Constant(value=str(text)):
            return annotation_of(_parsed(text), str)
        case ast.BinOp(left=left, op=ast.BitOr(), right=ast.Constant(value=None)):
            return annotation_of(left, origin)
        case ast.BinOp(left=ast.Constant(value=None), op=ast.BitOr(), right=right):
            return annotation_of(right, origin)
        case ast.Subscript(value=base, slice=inner):
            if dotted(base, origin) in ("typing.Optional", "Optional"):
                return annotation_of(inner, origin)
            kind = annotation_of(base, origin)
            items = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            if isinstance(kind, Annotation):
                return kind[tuple(map(_size_of, items))]
        case ast.Call(func=function, args=[], keywords=keywords):
            if _own(dotted(function, origin)) == "Record":
                fields = {k.arg: annotation_of(k.value, origin) for k in keywords if k.arg}
                if len(fields) == len(keywords):
                    return Record(**fields)
        case ast.Name() | ast.Attribute():
            name = dotted(node, origin)
            found = _BUILTINS.get(name) or _own(name)
            if found in ANNOTATIONS:
                return ANNOTATIONS[found]
    raise TypeError(f"{brief(ast.unparse(node))} is no type of the language")


def _size_of(node: ast.expr) -> object:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return name
        case _:
            raise TypeError(f"{brief(ast.unparse(node))} is no size")


def dotted(node: ast.expr, origin: Callable[[str], str]) -> str:
    """``poedsl.Real`` for a name or an attribute; empty for anything else."""
    match node:
        case ast.Name(id=name):
            return origin(name)
        case ast.Attribute(value=value, attr=attribute):
            base = dotted(value, origin)
            return f"{base}.{attribute}" if base else ""
        case _:
            return ""


def _own(name: str) -> str:
    """The name in this package of what a dotted name stands for, or of a name from nowhere.

    Names that a module makes itself begin with a dot.
    """
    module, _, last = name.rpartition(".")
    return last if module in ("", "poedsl") and not name.startswith(".") else ""
