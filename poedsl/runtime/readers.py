"""The experts of sequences on the places that they see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from poedsl.compiler.plan import FactorSpec, PlanSpec
from poedsl.compiler.terms import Apply
from poedsl.experts.protocol import Sequential
from poedsl.runtime.models import Models
from poedsl.runtime.parts import locate
from poedsl.runtime.prefix import Reader, Symbols
from poedsl.runtime.refused import refused, site
from poedsl.runtime.values import Values


@dataclass(slots=True)
class Readers:
    """Builds them, and checks that they fit each other and their variables."""

    plan: PlanSpec
    models: Models
    values: Values
    space: Symbols

    def of(self, factors: Sequence[FactorSpec]) -> tuple[Reader, ...]:
        """A reader for each factor.

        Raises:
            PoeError: an expert sees places that do not stand together, two are over different
                symbols, or none sees a place.
        """
        readers = tuple(map(self.reader, factors))
        for variable in self.plan.variables:
            whole = self.space.slice(variable.name)
            for place in range(whole.start, whole.stop):
                shown = (
                    variable.name
                    if not self.space.shapes[variable.name]
                    else (f"{variable.name}[{place - whole.start}]")
                )
                seen = [
                    (r, f)
                    for r, f in zip(readers, factors, strict=True)
                    if r.start <= place < r.stop
                ]
                if not seen:
                    raise refused("P0408", f"nothing generates `{shown}`: no expert sees it")
                for other, factor in seen[1:]:
                    self.alike(seen[0][0], other, factor, shown)
        return readers

    def reader(self, factor: FactorSpec) -> Reader:
        part = locate(factor, self.space, self.values.environment)
        if not isinstance(part.index, slice):
            message = "an expert of sequences sees places that stand together"
            raise refused("P0603", message, factor=factor)
        if factor.mask:
            message = "a mask as exponent leaves no conditionals: an expert of sequences takes none"
            raise refused("P0409", message, factor=factor)
        exponent = float(self.values.known(factor.exponent, "the exponent", factor))
        assert isinstance(factor.term, Apply)
        expert: Any = self.models.model(factor.term, self.values.environment, factor)
        self.category(expert, factor)
        return Reader(
            factor.name, factor.place, expert, exponent, part.index.start, part.index.stop
        )

    def category(self, expert: Sequential, factor: FactorSpec) -> None:
        """Whether an expert of a `Category[n]` is over n symbols."""
        variable = next(v for v in self.plan.variables if v.name == factor.variables[0])
        size = variable.type.sizes[0]
        if variable.type.name == "Category" and expert.vocabulary != size:
            raise refused(
                "P0304",
                f"{site(factor)} is over {expert.vocabulary} symbols, and `{variable.name}` is "
                f"{variable.type}",
                factor=factor,
            )

    def alike(self, one: Reader, other: Reader, factor: FactorSpec, shown: str) -> None:
        sizes = one.expert.vocabulary, other.expert.vocabulary
        if sizes[0] != sizes[1]:
            raise refused(
                "P0304",
                f"`{one.name}` at {one.place} is over {sizes[0]} symbols and `{other.name}` over "
                f"{sizes[1]}: they have no product at `{shown}`",
                "language models go together where they share a tokenizer",
                factor=factor,
            )
