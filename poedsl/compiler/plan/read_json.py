"""Reading a plan from its JSON."""

from __future__ import annotations

import base64
import json
from typing import Any

from poedsl.catalog.signature_json import signature_from_json
from poedsl.compiler.plan import schema, terms
from poedsl.compiler.plan.plan import SCHEMA, PlanSpec
from poedsl.compiler.plan.plan_parts import (
    Array,
    FactorSpec,
    InputSpec,
    LetSpec,
    OptionSpec,
    ReportSpec,
    SizeSpec,
    UseSpec,
    VariableSpec,
)
from poedsl.grammar.types import type_from_json, whole


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
        fault = schema.fault(data, schema.plan_schema())
        if fault is None:
            plan = _from_data(data)
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


def _from_data(data: dict[str, Any]) -> PlanSpec:
    return PlanSpec(
        program=data["program"],
        inputs=tuple(
            InputSpec(
                i["name"],
                type_from_json(i["type"]),
                None if i["default"] is None else terms.from_json(i["default"]["value"]),
                i["origin"],
                i["place"],
            )
            for i in data["inputs"]
        ),
        variables=tuple(
            VariableSpec(v["name"], type_from_json(v["type"]), v["space"])
            for v in data["variables"]
        ),
        factors=tuple(
            FactorSpec(
                f["name"],
                f["kind"],
                tuple(f["variables"]),
                terms.from_json(f["term"]),
                terms.from_json(f["exponent"]),
                f["place"],
                None if f["part"] is None else terms.from_json(f["part"]),
                f["given"],
                f["mask"],
                tuple((loop["name"], terms.from_json(loop["over"])) for loop in f["loops"]),
                terms.from_json(f["observed"]) if "observed" in f else None,
            )
            for f in data["factors"]
        ),
        options=tuple(
            OptionSpec(o["name"], terms.from_json(o["value"]), o["reason"]) for o in data["options"]
        ),
        bindings=tuple((name, _value_from_json(v)) for name, v in data["bindings"].items()),
        notes=tuple(data["notes"]),
        lets=tuple(
            LetSpec(c["name"], type_from_json(c["type"]), terms.from_json(c["term"]))
            for c in data["lets"]
        ),
        uses=tuple(
            UseSpec(u["name"], u["place"], signature_from_json(u["signature"]))
            for u in data["uses"]
        ),
        sizes=tuple(
            SizeSpec(s["name"], whole(s["axis"]), terms.from_json(s["size"]))
            for s in data.get("sizes", ())
        ),
        reports=tuple(
            ReportSpec(r["name"], type_from_json(r["type"]), terms.from_json(r["term"]))
            for r in data.get("reports", ())
        ),
        prior=data.get("prior", False),
    )


def _value_from_json(data: Any) -> terms.Value | Array:
    if isinstance(data, dict):
        return Array(
            data["dtype"],
            tuple(map(whole, data["shape"])),
            base64.b64decode(data["base64"]),
            tuple(data.get("remarks", ())),
        )
    return terms.constant(data)
