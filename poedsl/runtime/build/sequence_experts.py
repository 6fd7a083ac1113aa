"""The experts of sequences on the places that they see."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.plan_parts import FactorSpec
from poedsl.compiler.plan.terms import Apply
from poedsl.experts.protocol import Sequential
from poedsl.experts.sequences.vocabulary import Vocabulary
from poedsl.runtime.build.models import Models
from poedsl.runtime.build.shared_tokens import with_one_end
from poedsl.runtime.build.values import Values
from poedsl.runtime.space.parts import locate
from poedsl.runtime.targets.prefixes import SequenceFactor, Symbols
from poedsl.runtime.terms.refusals import factor_at, naming, refused


@dataclass(slots=True)
class SequenceFactorBuilder:
    """Builds them, and checks that they fit each other and their variables.

    Attributes:
        exponent: of a factor.
        vocabularies: of each variable, where an expert has one.
    """

    plan: PlanSpec
    models: Models
    values: Values
    space: Symbols
    exponent: Callable[[FactorSpec], float]
    vocabularies: dict[str, Vocabulary] = field(default_factory=dict)

    def of(self, factors: Sequence[FactorSpec]) -> tuple[SequenceFactor, ...]:
        """A sequence factor for each factor of the plan.

        Raises:
            PoeError: an expert sees places that do not stand together, two are over different
                symbols or have different texts for them, or none sees a place.
        """
        sequence_factors = with_one_end(tuple(map(self.sequence_factor, factors)), factors)
        for sequence_factor, factor in zip(sequence_factors, factors, strict=True):
            tokens = getattr(sequence_factor.expert, "tokens", None)
            if tokens is not None:
                self.vocabularies[factor.variables[0]] = tokens
        for variable in self.plan.variables:
            whole = self.space.slice(variable.name)
            for place in range(whole.start, whole.stop):
                shown = (
                    variable.name
                    if not self.space.shapes[variable.name]
                    else (f"{variable.name}[{place - whole.start}]")
                )
                at_place = [
                    (r, f)
                    for r, f in zip(sequence_factors, factors, strict=True)
                    if r.start <= place < r.stop
                ]
                if not at_place:
                    raise refused("P0408", f"nothing generates `{shown}`: no expert sees it")
                for other, factor in at_place[1:]:
                    self.alike(at_place[0][0], other, factor, shown)
        return sequence_factors

    def sequence_factor(self, factor: FactorSpec) -> SequenceFactor:
        part = locate(factor, self.space, self.values.environment)
        if not isinstance(part.index, slice):
            message = "an expert of sequences sees places that stand together"
            raise refused("P0603", message, factor=factor)
        if factor.mask:
            message = "a mask as exponent leaves no conditionals: an expert of sequences takes none"
            raise refused("P0409", message, factor=factor)
        exponent = self.exponent(factor)
        if not math.isfinite(exponent):
            raise refused("P0307", "the exponent is not finite", factor=factor)
        assert isinstance(factor.term, Apply)
        expert: Any = self.models.model(factor.term, self.values.environment, factor)
        if hasattr(expert, "over"):
            with naming(factor):
                expert = expert.over(part.index.stop - part.index.start)
        self.category(expert, factor)
        return SequenceFactor(
            factor.name, factor.place, expert, exponent, part.index.start, part.index.stop
        )

    def category(self, expert: Sequential, factor: FactorSpec) -> None:
        """Whether an expert of a `Category[n]` is over n symbols."""
        variable = next(v for v in self.plan.variables if v.name == factor.variables[0])
        size = variable.type.sizes[0]
        if variable.type.name == "Category" and expert.vocabulary != size:
            raise refused(
                "P0304",
                f"{factor_at(factor)} is over {expert.vocabulary} symbols, and "
                f"`{variable.name}` is {variable.type}",
                factor=factor,
            )

    def alike(
        self, first: SequenceFactor, second: SequenceFactor, factor: FactorSpec, shown: str
    ) -> None:
        sizes = first.expert.vocabulary, second.expert.vocabulary
        if sizes[0] != sizes[1]:
            raise refused(
                "P0304",
                f"`{first.name}` at {first.place} is over {sizes[0]} symbols and `{second.name}` "
                f"over {sizes[1]}: they have no product at `{shown}`",
                factor=factor,
            )
