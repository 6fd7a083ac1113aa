"""The schema of plans as JSON, from the fields of a plan.

    python -m poedsl.compiler.plan.plan_schema

writes ``plan.schema.json``, for those who read plans without this package.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from poedsl.catalog.data_codec import codec_of
from poedsl.compiler.plan.plan import SCHEMA, PlanSpec

#: Columns of the file.
WIDTH = 100


@cache
def plan_schema() -> Any:
    """The JSON Schema of draft 2020-12 that `plan.schema.json` holds."""
    definitions = dict(codec_of(PlanSpec).definitions)
    plan = definitions.pop("plan")
    digest = {
        "type": "string",
        "pattern": "^sha256:[0-9a-f]{64}$",
        "description": "SHA-256 of the JSON without this member: keys sorted, no blanks, ASCII.",
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "poedsl plan, version 1",
        **plan,
        "description": "A compiled program as data. Loading one runs no code.",
        "properties": {"schema": {"const": SCHEMA}, **plan["properties"], "hash": digest},
        "required": ["schema", *plan["required"], "hash"],
        "$defs": definitions,
    }


def printed(data: Any, indent: int = 0, column: int = 0) -> str:
    """JSON with everything on one line that fits into one, from a column on."""
    line = json.dumps(data)
    if column + len(line) < WIDTH or not isinstance(data, (dict, list)):
        return line
    inner = indent + 2
    if isinstance(data, dict):
        keys = {f"{json.dumps(key)}: ": value for key, value in data.items()}
        parts = [key + printed(value, inner, inner + len(key)) for key, value in keys.items()]
    else:
        parts = [printed(value, inner, inner) for value in data]
    first, last = "{}" if isinstance(data, dict) else "[]"
    between = "\n" + " " * inner
    return first + between + f",{between}".join(parts) + "\n" + " " * indent + last


if __name__ == "__main__":
    file = Path(__file__).with_name("plan.schema.json")
    file.write_text(printed(plan_schema()) + "\n", encoding="utf-8", newline="\n")
