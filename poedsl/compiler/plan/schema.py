"""Validation of data by a JSON Schema: the keywords of draft 2020-12 that `plan_schema` uses.

Wright et al., "JSON Schema: A Media Type for Describing JSON Documents", 2022.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any

#: A place such as ``factors[0].term``, and what is wrong there.
Fault = tuple[str, str]

_TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "null": lambda v: v is None,
    "integer": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool) and v % 1 == 0,
    "number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
}
_NOUNS = {
    "object": "an object",
    "array": "a list",
    "string": "a text",
    "boolean": "true or false",
    "null": "null",
    "integer": "a whole number",
    "number": "a number",
}


def fault(data: Any, schema: Any) -> Fault | None:
    """The first fault of the data; None if they conform to the schema."""
    return next(_faults(data, schema, schema, ""), None)


def _faults(data: Any, schema: Any, root: Any, path: str) -> Iterator[Fault]:
    schema = _resolved(schema, root)
    if "anyOf" in schema:
        yield from _alternatives(data, schema["anyOf"], root, path)
    if "const" in schema and data != schema["const"]:
        yield path, f"this is {schema['const']!r}, and not {shown(data)}"
    if "enum" in schema and not (isinstance(data, str) and data in schema["enum"]):
        yield path, f"{shown(data)} is not one of {', '.join(schema['enum'])}"
    if "type" in schema and not _is_of(data, schema["type"]):
        yield path, f"this is {_nouns(schema['type'])}, and not {shown(data)}"
        return
    match data:
        case dict():
            yield from _object(data, schema, root, path)
        case list():
            if len(data) < schema.get("minItems", 0):
                yield path, f"this list has at least {schema['minItems']} elements"
            for i, item in enumerate(data):
                yield from _faults(item, schema.get("items", {}), root, f"{path}[{i}]")
        case _:
            yield from _scalar(data, schema, path)


def _scalar(data: Any, schema: Any, path: str) -> Iterator[Fault]:
    match data:
        case str() if "pattern" in schema and not re.fullmatch(schema["pattern"], data):
            yield path, f"{shown(data)} does not match the required pattern"
        case str() if any("\ud800" <= c <= "\udfff" for c in data):
            yield path, "this text has half of a surrogate pair"
        case float() if not math.isfinite(data):
            yield path, f"{data} is not a finite number"
        case int() | float() if data < schema.get("minimum", data):
            yield path, f"this is at least {schema['minimum']}, and not {shown(data)}"


def _alternatives(data: Any, schemas: list[Any], root: Any, path: str) -> Iterator[Fault]:
    """Validate by the first schema that the data resemble; no two of ours are alike."""
    chosen = next((s for s in schemas if _resembles(data, s, root)), None)
    if chosen is None:
        yield path, f"{shown(data)} has no place here"
    else:
        yield from _faults(data, chosen, root, path)


def _resolved(schema: Any, root: Any) -> Any:
    return root["$defs"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def _resembles(data: Any, schema: Any, root: Any) -> bool:
    """Whether data have a schema's type, and an object its first required member."""
    schema = _resolved(schema, root)
    if "anyOf" in schema:
        return any(_resembles(data, s, root) for s in schema["anyOf"])
    if isinstance(data, dict):
        return schema["type"] == "object" and all(k in data for k in schema["required"][:1])
    return _is_of(data, schema["type"])


def _object(data: dict[str, Any], schema: Any, root: Any, path: str) -> Iterator[Fault]:
    properties, rest = schema.get("properties", {}), schema.get("additionalProperties", {})
    for key in schema.get("required", ()):
        if key not in data:
            yield path, f"`{key}` is missing"
    if len(data) < schema.get("minProperties", 0):
        yield path, "this object is empty"
    for key, value in data.items():
        place = f"{path}.{key}" if path else key
        if key in properties:
            yield from _faults(value, properties[key], root, place)
        elif rest is False:
            yield path, f"`{key[:40]}` has no place here"
        else:
            yield from _faults(key, schema.get("propertyNames", {}), root, place)
            yield from _faults(value, rest, root, place)


def _is_of(data: Any, types: str | list[str]) -> bool:
    return any(_TYPES[t](data) for t in ([types] if isinstance(types, str) else types))


def _nouns(types: str | list[str]) -> str:
    return " or ".join(_NOUNS[t] for t in ([types] if isinstance(types, str) else types))


def shown(data: Any) -> str:
    """Data in a few words."""
    match data:
        case dict():
            return "an object"
        case list():
            return "a list"
        case _:
            text = json.dumps(data)
            return text if len(text) < 60 else f"{text[:56]}..."
