"""Options of a plan, and their combination with its factors."""

from __future__ import annotations

from dataclasses import dataclass

from poedsl.compiler.analysis.integrability import integrable
from poedsl.compiler.analysis.supports import contradictions
from poedsl.compiler.plan.lowered import Lowered
from poedsl.compiler.plan.options import OPTIONS
from poedsl.compiler.plan.term_syntax import to_tree
from poedsl.compiler.plan.terms import Apply
from poedsl.compiler.planner.choose_move import ODE
from poedsl.compiler.planner.choose_path import FLOW, PREFIX, TEMPER
from poedsl.compiler.planner.planner import plan as planned
from poedsl.compiler.planner.refuse_options import refuse
from poedsl.compiler.typecheck.sample_options import OptionChecker
from poedsl.compiler.verification.context import Context, require_unique, wrong
from poedsl.compiler.verification.well_formed import malformed
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.source import NOWHERE


@dataclass(frozen=True, slots=True)
class OptionVerifier:
    """Verifies options by themselves, and with the factors."""

    context: Context

    def options(self) -> None:
        require_unique(
            {f"options[{i}]": o.name for i, o in enumerate(self.context.plan.options)}, "an option"
        )
        checker = OptionChecker(self.context.checker)
        for i, option in enumerate(self.context.plan.options):
            place, value = f"options[{i}].value", option.value
            if option.name == "path" and isinstance(value, Apply) and value.function == "each":
                self.each(value, place)
                continue
            if problem := malformed(value):
                wrong(place, problem)
            with self.context.diagnosed(place):
                rebuilt = checker.option(option.name, to_tree(value), NOWHERE)
            if rebuilt != value and value not in (ODE, TEMPER):
                wrong(place, f"`{option.name}` is {OPTIONS[option.name].expected}, written out")

    def each(self, value: Apply, place: str) -> None:
        """A path for each variable, as the compiler chooses where they differ."""
        variables = tuple(v.name for v in self.context.plan.variables)
        if tuple(n for n, _ in value.kwargs) != variables or value.args:
            wrong(place, f"this is a path for each of {', '.join(variables)}")
        if not all(path in (FLOW, PREFIX, TEMPER) for _, path in value.kwargs):
            wrong(place, "a path is `flow()`, `prefix()` or `temper()`")

    def combination(self) -> None:
        plan = self.context.plan.sampled
        lowered = Lowered.of(plan)
        diagnostics: list[Diagnostic] = [*integrable(lowered).values()]
        diagnostics += contradictions(lowered, self.context.checker.signatures).values()
        diagnostics += planned(lowered, plan.program, plan.uses)[1]
        diagnostics += refuse(plan, {})
        for diagnostic in diagnostics:
            if diagnostic.is_error:
                wrong("", diagnostic.message)
