"""Options and sizes of variables that are beyond the limits of a run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from poedsl.compiler.plan.option_values import (
    form_constants,
    form_name,
    kernel_evaluations,
    kernel_traits,
)
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.plan_parts import VariableSpec
from poedsl.compiler.plan.terms import Const, Term
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.limits import excess
from poedsl.grammar.source import NOWHERE, Span


def beyond_limits(
    spec: PlanSpec, options: Mapping[str, Term], spans: Mapping[str, Span]
) -> list[Diagnostic]:
    """What is beyond a limit, as far as it is known when a program is compiled.

    Args:
        spans: the places of options, as far as they have one.
    """
    return [d for d in _excesses(spec, options, spans) if d is not None]


def _excesses(
    spec: PlanSpec, options: Mapping[str, Term], spans: Mapping[str, Span]
) -> Iterator[Diagnostic | None]:
    particles, steps = _integer(options["particles"]), _integer(options["steps"])
    place = spans.get("particles", NOWHERE)
    yield excess("particles", "a run has", particles, place)
    if _integer(options["islands"]) > particles:
        yield excess("particles", "the islands need", _integer(options["islands"]), place)
    yield excess("steps", "a run takes", steps, spans.get("steps", NOWHERE))
    kernel, place = options["kernel"], spans.get("kernel", NOWHERE)
    yield excess("steps", "the kernel takes at each stage", kernel_evaluations(kernel), place)
    values = form_constants(kernel)
    for a in kernel_traits(form_name(kernel)).arguments:
        count = values.get(a.name)
        if a.kind in ("count", "nodes") and a.name != "steps" and isinstance(count, int):
            yield excess("steps", f"`{a.name}` of the kernel is", count, place)
    sizes = {v: known_size(v) for v in spec.variables}
    for variable, size in sizes.items():
        factors = (f.name for f in spec.factors if variable.name in f.variables)
        place = next((spans[name] for name in factors if name in spans), NOWHERE)
        yield excess("numbers", f"one particle of `{variable.name}` has", size, place)
    explicit = any(o.name == "particles" and not o.reason for o in spec.options)
    if explicit:
        moved = sum(size for v, size in sizes.items() if not v.space)
        yield population_excess(particles, moved, spans.get("particles", NOWHERE))


def population_excess(particles: int, size: int, span: Span = NOWHERE) -> Diagnostic | None:
    """What is said of more numbers than all particles together may have."""
    subject = f"{particles:,} particles of {size:,} numbers each have"
    return excess("population", subject, particles * size, span) if size > 1 else None


def known_size(variable: VariableSpec) -> int:
    """The numbers of one particle of a variable, with one along each axis of an open size."""
    return math.prod(s for s in variable.type.sizes if s is not None)


def _integer(term: Term) -> int:
    assert isinstance(term, Const) and isinstance(term.value, int)
    return term.value
