"""A program as named factors: what lowering makes, and what planning takes."""

from __future__ import annotations

from dataclasses import dataclass

from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.plan_parts import (
    FactorSpec,
    InputSpec,
    LetSpec,
    ReportSpec,
    SizeSpec,
    VariableSpec,
)
from poedsl.compiler.plan.terms import Term
from poedsl.grammar.source import NOWHERE, Span


@dataclass(frozen=True, slots=True)
class Lowered:
    """Factors over variables: what is sampled, before it is decided how.

    Attributes:
        spans: the place of each factor.
        options: those that are set, each with its place (`NOWHERE` if it is not in the text).
        places: where each variable's type was determined.
        incomplete: variables with a statement in error, which later passes do not diagnose.
    """

    inputs: tuple[InputSpec, ...]
    lets: tuple[LetSpec, ...]
    variables: tuple[VariableSpec, ...]
    factors: tuple[FactorSpec, ...]
    spans: dict[str, Span]
    options: dict[str, tuple[Term, Span]]
    places: dict[str, Span]
    incomplete: frozenset[str]
    sizes: tuple[SizeSpec, ...] = ()
    reports: tuple[ReportSpec, ...] = ()

    @classmethod
    def of(cls, plan: PlanSpec) -> Lowered:
        """What a plan was planned from, without places in a text."""
        return cls(
            plan.inputs,
            plan.lets,
            plan.variables,
            plan.factors,
            {f.name: NOWHERE for f in plan.factors},
            {o.name: (o.value, NOWHERE) for o in plan.options if not o.reason},
            {v.name: NOWHERE for v in plan.variables},
            frozenset(),
            plan.sizes,
            plan.reports,
        )

    @property
    def complete(self) -> tuple[VariableSpec, ...]:
        return tuple(v for v in self.variables if v.name not in self.incomplete)

    def by_variable(self) -> dict[str, list[FactorSpec]]:
        """The factors of each variable."""
        out: dict[str, list[FactorSpec]] = {v.name: [] for v in self.variables}
        for factor in self.factors:
            for name in factor.variables:
                out[name].append(factor)
        return out
