"""The plan, the interface between compiler and runtime: a compiled program as data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

from poedsl.catalog.data_codec import LEFT_OUT, NAME, JsonCodec, codec_of, keywords
from poedsl.catalog.registry import SIGNATURES
from poedsl.catalog.signatures import Signature
from poedsl.compiler.plan import terms
from poedsl.compiler.plan.option_values import (
    argument,
    form_constants,
    form_name,
    kernel_evaluations,
)
from poedsl.compiler.plan.options import OPTIONS
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
from poedsl.compiler.plan.term_codec import CONSTANT
from poedsl.compiler.plan.terms import Apply, Const, Term, Value

SCHEMA = "poedsl-plan/1"


def _bound_to_json(value: Value | Array) -> Any:
    return (codec_of(Array) if isinstance(value, Array) else CONSTANT).write(value)


def _bound_from_json(data: Any) -> Value | Array:
    value: Value | Array = (codec_of(Array) if isinstance(data, dict) else CONSTANT).read(data)
    return value


_BINDINGS = JsonCodec(
    lambda bindings: {name: _bound_to_json(value) for name, value in bindings},
    lambda data: tuple((name, _bound_from_json(value)) for name, value in data.items()),
    {
        "type": "object",
        "description": "Values of inputs, by name.",
        "propertyNames": NAME.schema,
        "additionalProperties": {"anyOf": [CONSTANT.schema, codec_of(Array).schema]},
    },
    {**CONSTANT.definitions, **codec_of(Array).definitions},
)


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

    program: Annotated[str, keywords(description="The name of the source.")]
    inputs: tuple[InputSpec, ...]
    bindings: Annotated[tuple[tuple[str, Value | Array], ...], _BINDINGS] = field(
        default=(), kw_only=True
    )
    uses: tuple[UseSpec, ...] = field(default=(), kw_only=True)
    lets: tuple[LetSpec, ...] = field(default=(), kw_only=True)
    variables: Annotated[tuple[VariableSpec, ...], keywords(minItems=1)]
    factors: Annotated[tuple[FactorSpec, ...], keywords(minItems=1)]
    options: Annotated[tuple[OptionSpec, ...], keywords(minItems=len(OPTIONS))]
    notes: tuple[str, ...] = ()
    sizes: Annotated[tuple[SizeSpec, ...], LEFT_OUT] = ()
    reports: Annotated[tuple[ReportSpec, ...], LEFT_OUT] = ()
    prior: Annotated[
        bool, keywords(description="Whether likelihoods are left out of the product."), LEFT_OUT
    ] = False

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
        members: dict[str, Any] = codec_of(PlanSpec).write(self)
        return {"schema": SCHEMA, **members}


def canonical_hash(data: dict[str, Any]) -> str:
    """SHA-256 of the JSON of a plan without its hash: keys sorted, no blanks, ASCII."""
    content = {key: value for key, value in data.items() if key != "hash"}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()
