"""The plan, the interface between compiler and runtime: a compiled program as data."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from poedsl.catalog.registry import SIGNATURES
from poedsl.catalog.signature_json import signature_to_json
from poedsl.catalog.signatures import Signature
from poedsl.compiler.plan import terms
from poedsl.compiler.plan.option_values import (
    argument,
    form_constants,
    form_name,
    kernel_evaluations,
)
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
from poedsl.compiler.plan.terms import Apply, Const, Term
from poedsl.grammar.types import type_to_json

SCHEMA = "poedsl-plan/1"


@dataclass(frozen=True, slots=True)
class PlanSpec:
    """A compiled program as data: printable, comparable, hashable by content.

    Attributes:
        program: the source's name.
        inputs: what a caller binds, declared or inferred.
        variables: what is sampled.
        factors: the product, one site each.
        options: every option of ``sample``, set or chosen, with the reason.
        bindings: values of inputs, as constants or arrays.
        notes: remarks, such as on sums of exponents and approximations.
        lets: constants that depend on inputs, in an order in which they can be evaluated.
        uses: user-defined experts, rewards and sources.
        sizes: sizes of inputs and variables that are known when inputs are bound.
        reports: values to be computed of every particle.
        prior: whether the data of likelihoods are left out of the product.
    """

    program: str
    inputs: tuple[InputSpec, ...]
    variables: tuple[VariableSpec, ...]
    factors: tuple[FactorSpec, ...]
    options: tuple[OptionSpec, ...]
    bindings: tuple[tuple[str, terms.Value | Array], ...] = ()
    notes: tuple[str, ...] = ()
    lets: tuple[LetSpec, ...] = ()
    uses: tuple[UseSpec, ...] = ()
    sizes: tuple[SizeSpec, ...] = ()
    reports: tuple[ReportSpec, ...] = ()
    prior: bool = False

    @property
    def sampled(self) -> PlanSpec:
        """The plan of what is sampled: without likelihoods if data are left out."""
        if not self.prior:
            return self
        factors = tuple(f for f in self.factors if f.kind != "likelihood")
        return replace(self, factors=factors, prior=False)

    def option(self, name: str) -> Term:
        return next(o.value for o in self.options if o.name == name)

    def factor(self, name: str) -> FactorSpec:
        return next(f for f in self.factors if f.name == name)

    def signature(self, name: str) -> Signature:
        """The signature of an expert, reward or source, user-defined or built in."""
        signature = self.find_signature(name)
        if signature is None:
            raise KeyError(name)
        return signature

    def find_signature(self, name: str) -> Signature | None:
        """The signature of that name, if there is one."""
        signatures = (u.signature for u in self.uses if u.name == name)
        return next(signatures, None) or SIGNATURES.get(name)

    def capabilities(self, call: Apply) -> frozenset[str]:
        """The capabilities of a call, by its signature and its arguments."""
        signature, arguments = self.signature(call.function), dict(call.kwargs)
        switches = (p for p in signature.parameters if p.role == "gradient")
        if any(arguments.get(p.name) == Const(True) for p in switches):
            return signature.capabilities | {"gradient"}
        return signature.capabilities

    def calls(self) -> Iterator[tuple[Apply, str]]:
        """Every call in the terms of constants and factors, and its place."""
        for constant in self.lets:
            for term in terms.walk(constant.term):
                if isinstance(term, Apply):
                    yield term, f"the constant `{constant.name}`"
        for factor in self.factors:
            parts = (
                *(over for _, over in factor.loops),
                factor.part,
                factor.observed,
                factor.term,
                factor.exponent,
            )
            for part in parts:
                for term in terms.walk(part) if part is not None else ():
                    if isinstance(term, Apply):
                        yield term, f"the factor `{factor.name}` at {factor.place}"

    def with_options(self, values: dict[str, Term]) -> PlanSpec:
        """The plan with some options set to other values, without a reason."""
        options = tuple(
            OptionSpec(o.name, values[o.name]) if o.name in values else o for o in self.options
        )
        return replace(self, options=options)

    @property
    def stages(self) -> int:
        """Moves, (T - 1)."""
        steps = self.option("steps")
        return steps.value if isinstance(steps, Const) and isinstance(steps.value, int) else 0

    @property
    def is_open(self) -> bool:
        """Whether the run decides on its numbers of stages or kernel steps, up to those given."""
        path, kernel = self.option("path"), self.option("kernel")
        tempered = form_name(path) == "temper"
        placed = tempered and argument("path", path, "ess") is not None
        return placed or form_constants(kernel).get("correlation") is not None

    @property
    def nfe(self) -> int:
        """Evaluations of all experts: (K + 1)(T - 1) (Zhang et al., E.1); if open, the most."""
        return (kernel_evaluations(self.option("kernel")) + 1) * self.stages

    def to_json(self) -> str:
        return json.dumps({**self.to_data(), "hash": self.hash}, indent=1, allow_nan=False) + "\n"

    @property
    def hash(self) -> str:
        """The hash of the content, including bindings."""
        return canonical_hash(self.to_data())

    def to_data(self) -> dict[str, Any]:
        """The plan as values of JSON."""
        return {
            "schema": SCHEMA,
            "program": self.program,
            "inputs": [
                {
                    "name": i.name,
                    "type": type_to_json(i.type),
                    "default": None if i.default is None else {"value": terms.to_json(i.default)},
                    "origin": i.origin,
                    "place": i.place,
                }
                for i in self.inputs
            ],
            "bindings": {name: _value_to_json(value) for name, value in self.bindings},
            "uses": [
                {"name": u.name, "place": u.place, "signature": signature_to_json(u.signature)}
                for u in self.uses
            ],
            "lets": [
                {"name": c.name, "type": type_to_json(c.type), "term": terms.to_json(c.term)}
                for c in self.lets
            ],
            "variables": [
                {"name": v.name, "type": type_to_json(v.type), "space": v.space}
                for v in self.variables
            ],
            "factors": [
                {
                    "name": f.name,
                    "kind": f.kind,
                    "variables": list(f.variables),
                    "term": terms.to_json(f.term),
                    "exponent": terms.to_json(f.exponent),
                    "place": f.place,
                    "part": None if f.part is None else terms.to_json(f.part),
                    "given": f.given,
                    "mask": f.mask,
                    "loops": [{"name": n, "over": terms.to_json(t)} for n, t in f.loops],
                    **({} if f.observed is None else {"observed": terms.to_json(f.observed)}),
                }
                for f in self.factors
            ],
            "options": [
                {"name": o.name, "value": terms.to_json(o.value), "reason": o.reason}
                for o in self.options
            ],
            "notes": list(self.notes),
            **self._optional_data(),
        }

    def _optional_data(self) -> dict[str, Any]:
        """The members that plans without them do not have."""
        sizes = [
            {"name": s.name, "axis": s.axis, "size": terms.to_json(s.term)} for s in self.sizes
        ]
        reports = [
            {"name": r.name, "type": type_to_json(r.type), "term": terms.to_json(r.term)}
            for r in self.reports
        ]
        members = {"sizes": sizes, "reports": reports, "prior": self.prior}
        return {name: value for name, value in members.items() if value}


def canonical_hash(data: dict[str, Any]) -> str:
    """SHA-256 of the JSON of a plan without its hash: keys sorted, no blanks, ASCII."""
    content = {key: value for key, value in data.items() if key != "hash"}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()


def _value_to_json(value: terms.Value | Array) -> Any:
    if isinstance(value, Array):
        return {
            "dtype": value.dtype,
            "shape": list(value.shape),
            "base64": base64.b64encode(value.data).decode(),
            **({"remarks": list(value.remarks)} if value.remarks else {}),
        }
    return terms.to_json(Const(value))
