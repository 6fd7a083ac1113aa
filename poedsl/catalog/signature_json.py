"""Signatures as JSON, in plans."""

from __future__ import annotations

from typing import Any, get_args

from poedsl.catalog.signatures import (
    REQUIRED,
    Capability,
    Family,
    Required,
    Returned,
    Signature,
    SignatureParameter,
)
from poedsl.grammar.types import (
    type_from_json,
    type_to_json,
    whole,
)


def signature_to_json(signature: Signature) -> dict[str, Any]:
    """A signature as plain data, for plans that bring their own."""
    s = signature
    return {
        "name": s.name,
        "family": s.family,
        "summary": s.summary,
        "parameters": [_parameter_to_json(p) for p in s.parameters],
        "domain": None if s.domain is None else type_to_json(s.domain),
        "event_rank": s.event_rank,
        "capabilities": sorted(s.capabilities),
        "cost": s.cost,
        "citation": s.citation,
        "implementation": s.implementation,
        "requires": s.requires,
        "model": s.model,
        "space": s.space,
        "returns": [{"name": r.name, "type": r.type, "sizes": list(r.sizes)} for r in s.returns],
    }


def signature_from_json(data: dict[str, Any]) -> Signature:
    """The inverse of `signature_to_json`.

    Raises:
        KeyError, TypeError, ValueError: the data are not those of a signature.
    """
    checked = (([data["family"]], get_args(Family)), (data["capabilities"], get_args(Capability)))
    for values, allowed in checked:
        if unknown := sorted(set(values) - set(allowed)):
            raise ValueError(f"{unknown[0]!r} is not one of {', '.join(allowed)}")
    plain = {k: data[k] for k in ("name", "family", "summary", "cost", "citation")}
    more = {k: data[k] for k in ("implementation", "requires", "model", "space")}
    return Signature(
        **plain,
        **more,
        event_rank=whole(data["event_rank"]),
        parameters=tuple(map(_parameter_from_json, data["parameters"])),
        domain=None if data["domain"] is None else type_from_json(data["domain"]),
        capabilities=frozenset(data["capabilities"]),
        returns=tuple(
            Returned(r["name"], r["type"], tuple(map(whole, r["sizes"]))) for r in data["returns"]
        ),
    )


def _parameter_to_json(p: SignatureParameter) -> dict[str, Any]:
    default = {} if isinstance(p.default, Required) else {"default": p.default}
    return {
        "name": p.name,
        "type": None if p.type is None else type_to_json(p.type),
        "role": p.role,
        **default,
        "summary": p.summary,
        "alternative": p.alternative,
        "classes": p.classes,
        "aligned": p.aligned,
        **({"needs": p.needs} if p.needs else {}),
    }


def _parameter_from_json(data: dict[str, Any]) -> SignatureParameter:
    return SignatureParameter(
        data["name"],
        None if data["type"] is None else type_from_json(data["type"]),
        data["role"],
        data.get("default", REQUIRED),
        data["summary"],
        data["alternative"],
        whole(data["classes"]),
        data["aligned"],
        data.get("needs", ""),
    )
