"""Dataclasses as JSON, by their fields."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest
from jsonschema import Draft202012Validator

from poedsl.catalog.data_codec import (
    ABSENT,
    LEFT_OUT,
    NAME,
    JsonCodec,
    JsonMember,
    codec_of,
    keywords,
    list_of,
    record,
)
from poedsl.catalog.registry import SIGNATURES
from poedsl.catalog.signatures import Signature
from poedsl.grammar.types import Type

WORDS = JsonCodec(str.split, " ".join, {"type": "array", "items": {"type": "string"}})


@dataclass(frozen=True)
class Inner:
    """What is inside."""

    kind: Literal["a", "b"]
    sizes: tuple[int | str | None, ...] = ()


@dataclass(frozen=True)
class OuterSpec:
    """A whole.

    More of it.
    """

    name: Annotated[str, NAME]
    parts: Annotated[tuple[Inner, ...], keywords(minItems=1)]
    pairs: Annotated[tuple[tuple[str, Any], ...], list_of(record(name=NAME, value=NAME))] = ()
    type: Type | None = None
    count: Annotated[int, JsonMember(key="number")] = 3
    said: Annotated[str, WORDS] = ""
    tags: frozenset[str] = frozenset()
    more: Annotated[tuple[Inner, ...], LEFT_OUT] = ()
    own: Annotated[float, ABSENT] = 1.5


VALUES = [
    OuterSpec("x", (Inner("a", (1, None, "n")),)),
    OuterSpec(
        "y",
        (Inner("b"),),
        (("k", "v"),),
        Type("Image", (3, None, None)),
        4,
        "two words",
        frozenset("cab"),
        (Inner("a"),),
    ),
]


@pytest.mark.parametrize("value", VALUES)
def test_values_read_back_and_are_of_the_schema(value: OuterSpec) -> None:
    codec = codec_of(OuterSpec)
    data = json.loads(json.dumps(codec.write(value)))
    schema = {**codec.schema, "$defs": codec.definitions}
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(data)
    assert codec.read(data) == value


def test_members_are_the_fields_in_their_order() -> None:
    short, long = (codec_of(OuterSpec).write(value) for value in VALUES)
    keys = ["name", "parts", "pairs", "type", "number", "said", "tags"]
    assert list(short) == keys and list(long) == [*keys, "more"]
    assert long["tags"] == ["a", "b", "c"] and long["said"] == ["two", "words"]
    outer = codec_of(OuterSpec).definitions["outer"]
    assert list(outer["properties"]) == [*keys, "more"] and outer["required"] == keys
    assert outer["description"] == "A whole."


def test_what_is_no_value_is_refused() -> None:
    codec = codec_of(Inner)
    assert codec.read({"kind": "a", "sizes": [2.0]}) == Inner("a", (2,))
    for data in ({"kind": "c", "sizes": []}, {"sizes": []}, {"kind": "a", "sizes": 3}):
        with pytest.raises((KeyError, TypeError, ValueError)):
            codec.read(data)
    with pytest.raises(TypeError):
        codec_of(dict[str, int])


@pytest.mark.parametrize("signature", SIGNATURES.values(), ids=lambda s: s.name)
def test_signatures_read_back(signature: Signature) -> None:
    codec = codec_of(Signature)
    again = codec.read(json.loads(json.dumps(codec.write(signature))))
    assert codec.write(again) == codec.write(signature)
    assert (again.name, again.domain) == (signature.name, signature.domain)
