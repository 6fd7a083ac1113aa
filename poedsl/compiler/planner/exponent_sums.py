"""Notes on sums of exponents that differ from one."""

from __future__ import annotations

from collections.abc import Mapping

from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.plan_parts import VariableSpec
from poedsl.compiler.plan.terms import Const
from poedsl.compiler.planner.factors import exponent_sum, generative_factors
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.source import NOWHERE, Span


def exponent_sums(
    spec: PlanSpec, variables: tuple[VariableSpec, ...], spans: Mapping[str, Span]
) -> tuple[tuple[str, ...], list[Diagnostic]]:
    """Notes for the plan, and diagnostics where a flow's exponents are not normalized."""
    notes: list[str] = []
    diagnostics: list[Diagnostic] = []
    normalized = spec.option("normalize_exponents") == Const(True)
    by_variable = generative_factors(spec)
    densities = [f for f in spec.factors if f.kind == "density" and normalized]
    for variable in variables:
        others = [f for f in densities if f.variables[0] == variable.name]
        factors = [*by_variable[variable.name], *others]
        if not normalized and any(f.kind == "tokens" for f in factors):
            continue
        whole = [f for f in factors if f.part is None]
        total = exponent_sum(whole)
        if total is None or total <= 0:
            continue
        message = f"the exponents over `{variable.name}` sum to {total:g}"
        if len(whole) < len(factors):
            message += f" on the whole, and {len(factors) - len(whole)} on parts of it add theirs"
        elif abs(total - 1) < 1e-9:
            continue
        notes.append(message.replace("`", "") + (" and are scaled to one" if normalized else ""))
        if not normalized and any(f.kind == "flow" for f in factors):
            span = spans.get(factors[-1].name, NOWHERE)
            diagnostics.append(Diagnostic("P0802", message, span, "note"))
    return tuple(notes), diagnostics
