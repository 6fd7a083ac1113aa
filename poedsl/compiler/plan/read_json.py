"""Reading a plan from its JSON."""

from __future__ import annotations

import json

from poedsl.catalog.data_codec import codec_of
from poedsl.compiler.plan import schema
from poedsl.compiler.plan.plan import SCHEMA, PlanSpec
from poedsl.compiler.plan.plan_schema import plan_schema


def from_json(text: str) -> PlanSpec:
    """A plan from its JSON. Runs no code.

    Raises:
        ValueError: not JSON, not of the schema, another version, or a content hash that does not
            match.
    """
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"this is not JSON: {error}") from error
    except (RecursionError, ValueError) as error:  # too deep, or a number of too many digits
        raise ValueError(f"not a plan of schema {SCHEMA}: it cannot be read: {error}") from error
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        stated = data.get("schema") if isinstance(data, dict) else data
        raise ValueError(f"not a plan of schema {SCHEMA}: found {schema.shown(stated)}")
    try:
        fault = schema.fault(data, plan_schema())
        if fault is None:
            plan: PlanSpec = codec_of(PlanSpec).read(data)
    except RecursionError as error:
        raise ValueError(f"not a plan of schema {SCHEMA}: it is nested too deeply") from error
    if fault is not None:
        place, problem = fault
        raise ValueError(f"not a plan of schema {SCHEMA}: {at(place)}{problem}")
    stated = data["hash"]
    if stated != plan.hash:
        raise ValueError(
            "the plan was changed after it was written: "
            f"its content has the hash {plan.hash}, and it states {stated}"
        )
    return plan


def at(place: str) -> str:
    """The beginning of a message about a place in the JSON."""
    return f"at `{place}`, " if place else ""
