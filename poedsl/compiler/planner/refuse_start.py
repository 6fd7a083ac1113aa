"""Variables on which no path can start."""

from __future__ import annotations

from collections.abc import Mapping

from poedsl.compiler.plan.lowered import Lowered
from poedsl.compiler.plan.plan_parts import GENERATIVE, FactorSpec, VariableSpec
from poedsl.compiler.planner.factors import uncovered_component, whole_exponent_sum
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.source import Span


def refuse_start(lowered: Lowered, *, tempered: bool) -> list[Diagnostic]:
    """Why variables have no distribution to start from: tempering needs a density, and the other
    paths a generative expert of every component.
    """
    diagnostics: list[Diagnostic] = []
    by_variable = lowered.by_variable()
    sufficient = {"gaussian", "density", "tokens"} if tempered else GENERATIVE
    for variable in lowered.complete:
        factors = [f for f in by_variable[variable.name] if f.variables[0] == variable.name]
        if not any(f.kind in sufficient for f in factors):
            span = lowered.spans[factors[0].name] if factors else lowered.places[variable.name]
            diagnostics.append(_no_expert(variable.name, factors, span))
        elif not tempered:
            generative = [f for f in factors if f.kind in GENERATIVE]
            diagnostics += _no_power(variable, generative, lowered.spans)
            diagnostics += _uncovered(variable, generative, lowered.spans)
    return diagnostics


def _no_expert(name: str, factors: list[FactorSpec], span: Span) -> Diagnostic:
    """Why a variable with these factors has no start."""
    if not factors:
        return Diagnostic(
            "P0408",
            f"nothing generates `{name}`: it has no expert",
            span,
            notes=(f"an expert is given by a statement such as `{name} ~ Normal(0, 1)`",),
        )
    if any(f.kind == "density" for f in factors):
        return Diagnostic(
            "P0408",
            f"no expert of `{name}` has noised marginals in closed form",
            span,
            notes=(
                "such densities count as rewards beside a Gaussian or a learned flow",
                "where all experts of a program have a density, `path = temper()` does without",
            ),
        )
    return Diagnostic(
        "P0408",
        f"`{name}` has rewards and conditions, but no expert that generates it",
        span,
        notes=("rewards and conditions reweight a density; they are not densities themselves",),
    )


def _no_power(
    variable: VariableSpec, generative: list[FactorSpec], spans: Mapping[str, Span]
) -> list[Diagnostic]:
    total = whole_exponent_sum(generative)
    if total is None or total > 0 or all(f.kind == "tokens" for f in generative):
        return []
    return [
        Diagnostic(
            "P0407",
            f"the exponents over `{variable.name}` sum to {total:g}, "
            "and the path from noise has no start",
            spans[generative[-1].name],
            notes=(
                "on pure noise the product is N(0, 1) to the power of that sum",
                "where all experts have a density, `path = temper()` does without",
            ),
        )
    ]


def _uncovered(
    variable: VariableSpec, generative: list[FactorSpec], spans: Mapping[str, Span]
) -> list[Diagnostic]:
    index = uncovered_component(variable, generative)
    if not index:
        return []
    return [
        Diagnostic(
            "P0408",
            f"nothing generates `{variable.name}[{index}]`: no expert covers it",
            spans[generative[-1].name],
            notes=(
                f"`{variable.name}` is {variable.type}, and every component of it needs an expert",
            ),
        )
    ]
