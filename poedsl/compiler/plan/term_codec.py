"""Terms and constants of a plan as JSON, with their schema."""

from __future__ import annotations

from typing import Annotated

from poedsl.catalog.data_codec import NAME, JsonCodec, optional
from poedsl.compiler.plan import terms
from poedsl.compiler.plan.terms import Const, Term

_CONSTANT = {"$ref": "#/$defs/constant"}
_TERM = {"$ref": "#/$defs/term"}
_DEFINITIONS = {
    **NAME.definitions,
    "constant": {
        "anyOf": [
            {"type": ["number", "string", "boolean", "null"]},
            {"type": "array", "items": _CONSTANT},
        ]
    },
    "term": {
        "anyOf": [
            _CONSTANT,
            {
                "type": "object",
                "description": "A variable or an input.",
                "properties": {"ref": NAME.schema},
                "required": ["ref"],
                "additionalProperties": False,
            },
            {
                "type": "object",
                "description": "An operator, a function, an expert or a reward on its arguments.",
                "properties": {
                    "call": {"type": "string"},
                    "args": {"type": "array", "minItems": 1, "items": _TERM},
                    "kwargs": {
                        "type": "object",
                        "minProperties": 1,
                        "propertyNames": NAME.schema,
                        "additionalProperties": _TERM,
                    },
                },
                "required": ["call"],
                "additionalProperties": False,
            },
        ]
    },
}

TERM = JsonCodec(terms.to_json, terms.from_json, _TERM, _DEFINITIONS)
CONSTANT = JsonCodec(lambda v: terms.to_json(Const(v)), terms.constant, _CONSTANT, _DEFINITIONS)
#: The default of an input, a constant, as an object: null is a constant too.
DEFAULT = optional(
    JsonCodec(
        lambda term: {"value": terms.to_json(term)},
        lambda data: terms.from_json(data["value"]),
        {
            "type": "object",
            "properties": {"value": _CONSTANT},
            "required": ["value"],
            "additionalProperties": False,
        },
        _DEFINITIONS,
    )
)
#: An index, a slice or a region of a variable.
PART = optional(
    JsonCodec(
        terms.to_json,
        terms.from_json,
        {
            "type": "object",
            "description": "An index, a slice or a region of the variable.",
            "properties": {
                "call": {"const": "index"},
                "args": {"type": "array", "minItems": 2, "items": _TERM},
            },
            "required": ["call", "args"],
            "additionalProperties": False,
        },
        _DEFINITIONS,
    )
)
#: A term that is a member of an object.
TermMember = Annotated[Term, TERM]
