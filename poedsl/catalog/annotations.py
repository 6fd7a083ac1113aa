"""Types of the language as annotations of Python: ``Real[2]``, ``Image[3, 64, 64]``, ``float``.

An annotation is read from an object where the code has been run, and from its syntax where it must
not be run.
"""

from __future__ import annotations

import ast
import re
import types
import typing
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from poedsl.grammar.types import RANKS, Sizes, Type

#: A number; None for any size; in the output of a source, an argument: ``frames``, ``size.0``.
Size = int | str | None

_ARGUMENT = re.compile(r"[^\W\d]\w*(\.\d+)?")
#: Types that may have a size more, for the frames of a video.
_FRAMED = ("Depth", "Mask")


@dataclass(frozen=True, slots=True)
class Annotation:
    """A type as an annotation.

    Attributes:
        name: of the type, such as ``Real``. sizes: None for tensors of any shape, ``Real[...]``.
    """

    name: str
    sizes: tuple[Size, ...] | None

    def __getitem__(self, sizes: object) -> Annotation:
        """The type with sizes: ``Image[3, 64, 64]``, ``Image[1, None, None]``, ``Real[...]``.

        Raises:
            TypeError: the type has another number of sizes, or a size is not valid.
        """
        listed = sizes if isinstance(sizes, tuple) else (sizes,)
        if self.name == "Real" and listed == (...,):
            return Annotation("Real", None)
        rank = RANKS[self.name]
        ranks = (rank,) if self.name not in _FRAMED else (2, 3)
        if rank is not None and len(listed) not in ranks:
            raise TypeError(f"{self.name} takes {' or '.join(map(str, ranks))} sizes")
        return Annotation(self.name, tuple(map(_size, listed)))

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
    """The type of a dictionary that a source returns: ``Record(depth=Depth, mask=Mask)``.

    Raises:
        TypeError: it has no fields, or a field is a record or no type of the language.
    """

    fields: tuple[tuple[str, Annotation], ...]

    def __init__(self, **fields: object) -> None:
        typed = [(name, annotation(kind)) for name, kind in fields.items()]
        plain = tuple((name, kind) for name, kind in typed if isinstance(kind, Annotation))
        if not plain or len(plain) < len(typed):
            raise TypeError("a record has fields, and each is of a type that is no record")
        object.__setattr__(self, "fields", plain)


_TYPES = (Annotation, Record)
#: Every type under its name.
ANNOTATIONS: dict[str, Annotation] = {
    name: Annotation(name, (None,) * (rank or 0)) for name, rank in RANKS.items()
}
_PYTHON: dict[object, str] = {float: "Real", int: "Int", bool: "Bool", str: "Text"}
_BUILTINS = {"float": "Real", "int": "Int", "bool": "Bool", "str": "Text"}


def annotation(value: object, namespace: Mapping[str, object] | None = None) -> Annotation | Record:
    """The type of the language that an annotation stands for.

    Args:
        value: an annotation of this module, a type of Python such as ``float``, an ``Annotated``
            type with one of these, or any of them as text.
        namespace: names of the module of a text, in which the text is evaluated; without it the
            text is parsed and nothing is evaluated.

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
    if typing.get_origin(value) is typing.Annotated:
        types_of_language = (m for m in typing.get_args(value)[1:] if isinstance(m, _TYPES))
        return annotation(next(types_of_language, typing.get_args(value)[0]))
    if typing.get_origin(value) in (typing.Union, types.UnionType):
        inner = [t for t in typing.get_args(value) if t is not type(None)]
        if len(inner) == 1:
            return annotation(inner[0])
    shown = value.__name__ if isinstance(value, type) else repr(value)
    raise TypeError(f"{brief(shown)} is no type of the language")


def _from_text(text: str, namespace: Mapping[str, object] | None) -> Annotation | Record:
    """Evaluate a text in a namespace, or parse it where there is none or that fails."""
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
    """A piece of code for messages, in backquotes and at most 60 characters."""
    return f"`{text}`" if len(text) <= 60 else f"`{text[:57]}...`"


def annotation_of(node: ast.expr, origin: Callable[[str], str]) -> Annotation | Record:
    """The type of the language that an annotation stands for, from its syntax alone.

    Args:
        origin: the dotted name that a name of the module was imported as: ``poedsl.Real`` for
            ``Real``.

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
            if dotted(base, origin) in ("typing.Annotated", "Annotated"):
                return _annotated(inner, origin)
            kind = annotation_of(base, origin)
            items = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            if isinstance(kind, Annotation):
                return kind[tuple(map(_size_of, items))]
        case ast.Call(func=function, args=[], keywords=keywords):
            if _poedsl_name(dotted(function, origin)) == "Record":
                fields = {k.arg: annotation_of(k.value, origin) for k in keywords if k.arg}
                if len(fields) == len(keywords):
                    return Record(**fields)
        case ast.Name() | ast.Attribute():
            name = dotted(node, origin)
            type_name = _BUILTINS.get(name) or _poedsl_name(name)
            if type_name in ANNOTATIONS:
                return ANNOTATIONS[type_name]
    raise TypeError(f"{brief(ast.unparse(node))} is no type of the language")


def _annotated(node: ast.expr, origin: Callable[[str], str]) -> Annotation | Record:
    """The first type of the language in the metadata of ``Annotated``, else the annotated type."""
    plain, *metadata = node.elts if isinstance(node, ast.Tuple) else [node]
    for item in metadata:
        with suppress(TypeError):
            return annotation_of(item, origin)
    return annotation_of(plain, origin)


def _size_of(node: ast.expr) -> object:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return name
        case _:
            raise TypeError(f"{brief(ast.unparse(node))} is no size")


def dotted(node: ast.expr, origin: Callable[[str], str]) -> str:
    """The dotted name of a name or an attribute, ``poedsl.Real``; empty for anything else."""
    match node:
        case ast.Name(id=name):
            return origin(name)
        case ast.Attribute(value=value, attr=attribute):
            base = dotted(value, origin)
            return f"{base}.{attribute}" if base else ""
        case _:
            return ""


def _poedsl_name(name: str) -> str:
    """The name in this package of a dotted name, or of a name of unknown origin; else empty.

    A name that the module itself defines begins with a dot.
    """
    module, _, last = name.rpartition(".")
    return last if module in ("", "poedsl") and not name.startswith(".") else ""
