"""The plan, the interface between compiler and runtime: a compiled program as data."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from poedsl.catalog.registry import SIGNATURES
from poedsl.catalog.signatures import Signature, signature_to_json
from poedsl.compiler.plan import terms
from poedsl.compiler.plan.options import (
    argument,
    form_constants,
    form_name,
    kernel_evaluations,
)
from poedsl.compiler.plan.terms import Apply, Const, Term
from poedsl.grammar.types import Type, type_to_json

SCHEMA = "poedsl-plan/1"

#: How a factor takes part in a run.
#: ``gaussian``: a density whose noised marginals have a closed form (Gaussians and their mixtures);
#: ``density``: a density without one, a differentiable reward along the path;
#: ``flow``: a learned model with a score; ``tokens``: a model of sequences;
#: ``reward``: the exponential of an expression; ``where``: a condition;
#: ``likelihood``: a density of data, whose parameters depend on variables.
Kind = Literal["gaussian", "density", "flow", "tokens", "reward", "where", "likelihood"]
#: Kinds that carry a path from its start to the data.
GENERATIVE: frozenset[Kind] = frozenset({"gaussian", "flow", "tokens"})
#: Kinds that say nothing of where a variable comes from, and weigh its values.
WEIGHING: frozenset[Kind] = frozenset({"reward", "where", "likelihood"})
Origin = Literal["declared", "inferred", "ambient"]


@dataclass(frozen=True, slots=True)
class Array:
    """A bound tensor: plain bytes in C order, little-endian.

    Attributes:
        remarks: codes of warnings on how its values were read, which a run repeats.
    """

    dtype: str
    shape: tuple[int, ...]
    data: bytes
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InputSpec:
    """A value the caller binds.

    Attributes:
        default: a constant, or a file's path for types read from files.
        origin: declared; inferred from a free name; or taken by an expert from its surroundings.
    """

    name: str
    type: Type
    default: Term | None = None
    origin: Origin = "declared"
    place: str = ""


@dataclass(frozen=True, slots=True)
class UseSpec:
    """A user-defined expert, reward or source: its place and its signature."""

    name: str
    place: str
    signature: Signature


@dataclass(frozen=True, slots=True)
class LetSpec:
    """A constant that depends on inputs, evaluated once per run."""

    name: str
    type: Type
    term: Term


@dataclass(frozen=True, slots=True)
class SizeSpec:
    """A size that inputs determine: that of an axis of an input or a variable, in whole numbers."""

    name: str
    axis: int
    term: Term


@dataclass(frozen=True, slots=True)
class ReportSpec:
    """A value that is computed of every particle at the end of a run."""

    name: str
    type: Type
    term: Term


@dataclass(frozen=True, slots=True)
class VariableSpec:
    """A sampled variable; ``space`` names its latent space, empty if it has none."""

    name: str
    type: Type
    space: str = ""


ONE = Const(1)


@dataclass(frozen=True, slots=True)
class FactorSpec:
    """One named site: ``term`` to the power ``exponent`` in the target of its variables.

    Attributes:
        variables: that of the statement first, then the others that occur in the factor; of a
            likelihood those of its parameters, or the program's first one if there are none.
        part: the part of its variable that it covers, ``x[...]``; None for the whole.
        given: the variable on whose parents it is conditioned (Zhang et al., Eq. 6); empty: none.
        mask: whether the exponent varies over the components, so that there is no density.
        loops: names and what they run over, outermost first, where that depends on inputs: the
            factor has one site for each element.
        observed: of a likelihood the data, an input or a constant, or a part of one, ``y[...]``;
            ``term`` is then the density of these data.
    """

    name: str
    kind: Kind
    variables: tuple[str, ...]
    term: Term
    exponent: Term = ONE
    place: str = ""
    part: Term | None = None
    given: str = ""
    mask: bool = False
    loops: tuple[tuple[str, Term], ...] = ()
    observed: Term | None = None


@dataclass(frozen=True, slots=True)
class OptionSpec:
    """An option of ``sample``; ``reason`` is empty if the program sets its value."""

    name: str
    value: Term
    reason: str = ""


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
        return json.dumps({**self._data(), "hash": self.hash}, indent=1, allow_nan=False) + "\n"

    @property
    def hash(self) -> str:
        """The hash of the content, including bindings."""
        return canonical_hash(self._data())

    def _data(self) -> dict[str, Any]:
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
