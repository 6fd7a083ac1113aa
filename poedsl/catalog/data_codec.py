"""Dataclasses as JSON: what is written, what is read and the schema, all from their fields.

The members of an object are the fields of its class, in their order. Where the type of a field does
not say all, its annotation does: `keywords` add to the schema, as in
``Annotated[str, keywords(description=...)]``, a `JsonCodec` takes the place of that of the type,
and a `JsonMember` names the key or lets the member be left out.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass, replace
from dataclasses import field as with_default
from functools import cache
from inspect import getdoc
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from poedsl.grammar.types import RANKS, RECORDS, Type, type_from_json, type_to_json, whole


@dataclass(frozen=True, slots=True, eq=False)
class JsonCodec:
    """How values of a type are written and read.

    Attributes:
        schema: by JSON Schema; definitions that it refers to are in ``definitions``, by name.
        read: takes what conforms to the schema; raises KeyError, TypeError or ValueError of some
            that does not.
    """

    write: Callable[[Any], Any]
    read: Callable[[Any], Any]
    schema: Mapping[str, Any]
    definitions: Mapping[str, Any] = with_default(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class SchemaKeywords:
    """Keywords of JSON Schema beside those that follow from a type."""

    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class JsonMember:
    """How a field is a member of its object.

    Attributes:
        key: in place of the name of the field.
        left_out: whether it is left out where the field has its default.
        absent: whether it is never written, so that what is read has its default.
    """

    key: str = ""
    left_out: bool = False
    absent: bool = False


LEFT_OUT, ABSENT = JsonMember(left_out=True), JsonMember(absent=True)


def keywords(**schema: Any) -> SchemaKeywords:
    return SchemaKeywords(schema)


def same(value: Any) -> Any:
    return value


def definition(name: str, codec: JsonCodec) -> JsonCodec:
    """A codec whose schema is a definition of that name."""
    definitions = {**codec.definitions, name: codec.schema}
    return replace(codec, schema={"$ref": f"#/$defs/{name}"}, definitions=definitions)


NAME = definition(
    "name", JsonCodec(same, same, {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"})
)
TYPENAME = definition("typename", JsonCodec(same, same, {"enum": [*RANKS, *sorted(RECORDS)]}))
#: Types whose values JSON has, or that are no objects of their fields.
_TYPES: dict[Any, JsonCodec] = {
    str: JsonCodec(same, same, {"type": "string"}),
    bool: JsonCodec(same, same, {"type": "boolean"}),
    int: JsonCodec(same, whole, {"type": "integer"}),
    float: JsonCodec(same, same, {"type": "number"}),
    types.NoneType: JsonCodec(same, same, {"type": "null"}),
    Type: definition(
        "type",
        JsonCodec(
            type_to_json,
            type_from_json,
            {
                "type": "object",
                "properties": {
                    "name": TYPENAME.schema,
                    "sizes": {
                        "type": "array",
                        "items": {"type": ["integer", "null"], "minimum": 1},
                        "description": "Null where a size is open.",
                    },
                },
                "required": ["name", "sizes"],
                "additionalProperties": False,
            },
            TYPENAME.definitions,
        ),
    ),
}


@cache
def codec_of(hint: Any) -> JsonCodec:
    """The codec of a type.

    Raises:
        TypeError: there is none.
    """
    if hint in _TYPES:
        return _TYPES[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        codec = next((m for m in hint.__metadata__ if isinstance(m, JsonCodec)), None)
        codec = codec or codec_of(hint.__origin__)
        schema = dict(codec.schema)
        for more in hint.__metadata__:
            schema |= more.values if isinstance(more, SchemaKeywords) else {}
        return replace(codec, schema=schema)
    if is_dataclass(hint) and isinstance(hint, type):
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", hint.__name__.removesuffix("Spec"))
        return definition(name.lower(), _object(hint))
    if origin is Literal:
        return _one_of(arguments)
    if origin is tuple and arguments[1:] == (...,):
        return list_of(codec_of(arguments[0]))
    if origin is frozenset:
        items = list_of(codec_of(arguments[0]))
        return replace(
            items,
            write=lambda values: items.write(sorted(values)),
            read=lambda data: frozenset(items.read(data)),
        )
    if origin in (Union, types.UnionType):
        return _union(arguments)
    raise TypeError(f"values of {hint} are no JSON")


def list_of(items: JsonCodec) -> JsonCodec:
    """Tuples of values."""
    return JsonCodec(
        lambda values: [items.write(v) for v in values],
        lambda data: tuple(items.read(d) for d in data),
        {"type": "array", "items": items.schema},
        items.definitions,
    )


def optional(codec: JsonCodec) -> JsonCodec:
    """Values, or None."""
    return JsonCodec(
        lambda value: None if value is None else codec.write(value),
        lambda data: None if data is None else codec.read(data),
        {"anyOf": [{"type": "null"}, codec.schema]},
        codec.definitions,
    )


def record(**members: JsonCodec) -> JsonCodec:
    """Tuples, as objects of members with names."""
    return JsonCodec(
        lambda values: {k: c.write(v) for (k, c), v in zip(members.items(), values, strict=True)},
        lambda data: tuple(c.read(data[k]) for k, c in members.items()),
        _object_schema({k: c.schema for k, c in members.items()}, list(members)),
        {k: v for c in members.values() for k, v in c.definitions.items()},
    )


def _union(arguments: tuple[Any, ...]) -> JsonCodec:
    """A value or None, or scalars of several types."""
    codecs = [codec_of(a) for a in arguments if a is not types.NoneType]
    if len(codecs) == 1:
        return optional(codecs[0])
    names = [codec_of(a).schema["type"] for a in arguments]
    return JsonCodec(same, whole if "integer" in names else same, {"type": names})


def _one_of(values: tuple[Any, ...]) -> JsonCodec:
    def read(data: Any) -> Any:
        if data not in values:
            raise ValueError(f"{data!r} is not one of {', '.join(values)}")
        return data

    return JsonCodec(same, read, {"enum": list(values)})


def _object(kind: type) -> JsonCodec:
    """The object of a dataclass."""
    hints = get_type_hints(kind, include_extras=True)
    members = [
        (f, _member(hints[f.name]), codec_of(hints[f.name]))
        for f in fields(kind)
        if not _member(hints[f.name]).absent
    ]
    keyed = [(f, m.key or f.name, m.left_out, c) for f, m, c in members]

    def write(value: Any) -> dict[str, Any]:
        parts = ((f, key, left_out, c, getattr(value, f.name)) for f, key, left_out, c in keyed)
        return {
            key: c.write(part)
            for f, key, left_out, c, part in parts
            if not (left_out and part == _default(f))
        }

    def read(data: Mapping[str, Any]) -> Any:
        return kind(
            **{
                f.name: c.read(data[key])
                for f, key, left_out, c in keyed
                if not (left_out and key not in data)
            }
        )

    schema = _object_schema(
        {key: c.schema for _, key, _, c in keyed},
        [key for _, key, left_out, _ in keyed if not left_out],
    )
    summary = (getdoc(kind) or "").partition("\n\n")[0].replace("\n", " ").replace("``", "`")
    definitions = {k: v for *_, c in keyed for k, v in c.definitions.items()}
    return JsonCodec(write, read, {"description": summary, **schema}, definitions)


def _object_schema(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _member(hint: Any) -> JsonMember:
    metadata = getattr(hint, "__metadata__", ())
    return next((m for m in metadata if isinstance(m, JsonMember)), JsonMember())


def _default(field: Field[Any]) -> Any:
    return field.default if field.default is not MISSING else None
