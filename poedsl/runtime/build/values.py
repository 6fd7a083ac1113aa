"""What names stand for in a run: inputs, constants that depend on them, and what sources return."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.catalog.signatures import Signature
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.plan_parts import Array, FactorSpec
from poedsl.compiler.plan.terms import Apply, Const, Ref, Term, walk
from poedsl.compiler.plan.text import print_term
from poedsl.compiler.typecheck.checked import MOST_FACTORS
from poedsl.runtime.build.models import Models
from poedsl.runtime.inputs.layouts import elements, read_layout
from poedsl.runtime.terms.evaluate import Environment, indexed, value_of
from poedsl.runtime.terms.refusals import refused
from poedsl.runtime.terms.unrolled import Element, unrolled
from poedsl.runtime.terms.vector_constructors import EmptyRange


def bound_tensor(value: Any, device: torch.device, dtype: torch.dtype) -> Float[Tensor, 1 * shape]:
    """A bound number or array with a leading row of one."""
    if isinstance(value, Array):
        import numpy as np

        flat = np.frombuffer(value.data, dtype=np.dtype(value.dtype)).reshape(value.shape)
        return torch.from_numpy(flat.copy())[None].to(device, dtype)
    kind = torch.bool if isinstance(value, bool) else dtype
    return torch.tensor(value, dtype=kind, device=device)[None]


def plain(value: Any) -> Any:
    """Numbers in lists as those of a constant, whole ones as such."""
    if isinstance(value, list):
        return tuple(map(plain, value))
    return int(value) if float(value).is_integer() else value


def lists_of_indices(observed: Term | None) -> Iterator[Term]:
    """What the indices of data run over, where a loop became one statement of all its elements."""
    pending = list(observed.args[1:]) if isinstance(observed, Apply) else []
    while pending:
        match pending.pop():
            case Apply("comprehension", (_, over, body)):
                yield over
                pending.append(body)
            case Apply("range") | Ref() as item:
                yield item


@dataclass(slots=True)
class Values:
    """Terms of inputs and constants, evaluated once."""

    models: Models
    environment: Environment

    @classmethod
    def of(cls, plan: PlanSpec, models: Models, device: torch.device, dtype: torch.dtype) -> Values:
        """With every input, and every constant in its order.

        Raises:
            PoeError: a constant has no value for these inputs, or a source cannot run.
        """
        numeric = {i.name for i in plan.inputs if i.type.is_numeric}
        inputs = {
            name: bound_tensor(value, device, dtype)
            if name in numeric and value is not None
            else value
            for name, value in plan.bindings
        }
        values = cls(models, Environment(inputs, {}, device, dtype))
        for constant in plan.lets:
            inputs[constant.name] = values.value_of(
                constant.term, f"the constant `{constant.name}`"
            )
        return values

    def value_of(self, term: Term, description: str, factor: FactorSpec | None = None) -> Any:
        """What a term without variables stands for."""
        try:
            return value_of(self.resolved(term), self.environment)
        except (ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            message = f"{description} has no value for these inputs: {reason}"
            raise refused("P0603", message, factor=factor) from error

    def unrolled_factors(self, factor: FactorSpec) -> list[FactorSpec]:
        """The factor at each element of what it loops over, with its sources read; none where it
        loops over nothing.
        """

        def over(term: Term) -> list[Element]:
            if self.is_empty(term):
                return []
            value = self.value_of(term, "what it loops over", factor)
            if not isinstance(value, Tensor):
                return list(elements(value))
            if value.shape[1] > MOST_FACTORS:
                message = f"a loop over {value.shape[1]:,} elements makes too many factors"
                raise refused("P0506", message, factor=factor)
            return [Const(plain(row)) for row in value[0].tolist()]

        return [
            replace(
                unrolled_factor,
                term=self.resolved(unrolled_factor.term),
                exponent=self.resolved(unrolled_factor.exponent),
                part=None
                if unrolled_factor.part is None
                else self.located(unrolled_factor.part, factor),
                observed=None
                if unrolled_factor.observed is None
                else self.resolved(unrolled_factor.observed),
            )
            for unrolled_factor in unrolled(factor, over)
            if not any(map(self.is_empty, lists_of_indices(unrolled_factor.observed)))
        ]

    def is_empty(self, term: Term) -> bool:
        """Whether a vector has no elements for these inputs."""
        if isinstance(term, Ref) and term.name not in self.environment.values:
            return False
        try:
            value = self.value_of(term, f"`{print_term(term)}`")
        except EmptyRange:
            return True
        return isinstance(value, Tensor) and value.dim() > 1 and not value.shape[1]

    def located(self, part: Term, factor: FactorSpec) -> Term:
        """A part of a variable, with indices that come with data as constants."""
        part = self.resolved(part)
        assert isinstance(part, Apply)
        try:
            items = tuple(indexed(item, self.environment) for item in part.args[1:])
            return replace(part, args=(part.args[0], *items))
        except ValueError as error:
            raise refused("P0305", str(error), factor=factor) from error

    def resolved(self, term: Term) -> Term:
        """The term with a name for what each of its sources returns."""
        if not any(self.source(t) for t in walk(term)):
            return term
        assert isinstance(term, Apply)
        args = tuple(map(self.resolved, term.args))
        kwargs = tuple((k, self.resolved(a)) for k, a in term.kwargs)
        call = Apply(term.function, args, kwargs, term.span)
        signature = self.source(call)
        if signature is None:
            return call
        name = print_term(call)
        if name not in self.environment.values:
            output = self.models.source(call, self.environment)
            self.environment.values[name] = self.returned(output, signature)
        return Ref(name, term.span)

    def source(self, term: Term) -> Signature | None:
        """The signature of a call of a source."""
        if not isinstance(term, Apply):
            return None
        signature = self.models.plan.find_signature(term.function)
        return signature if signature is not None and signature.family == "source" else None

    def returned(self, value: Any, signature: Signature) -> Any:
        """What a source returns, as the environment holds it."""
        kinds = {r.name: r.type for r in signature.returns}
        if "" in kinds:
            return self.field(value, kinds[""])
        if not isinstance(value, Mapping) or kinds.keys() - value.keys():
            raise ValueError(f"`{signature.name}` did not return {', '.join(kinds)}")
        return {name: self.field(value[name], kind) for name, kind in kinds.items()}

    def field(self, value: Any, kind: str) -> Any:
        if kind == "Layout":
            return read_layout(value)
        if kind == "Text":
            return str(value)
        if kind == "Region":
            return tuple(float(side) for side in value)
        env = self.environment
        return torch.as_tensor(value, dtype=env.dtype, device=env.device)[None]
