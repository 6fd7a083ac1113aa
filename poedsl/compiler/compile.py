"""Text to plan: the passes in order, each pure, all diagnostics in one run."""

from __future__ import annotations

from dataclasses import dataclass

from poedsl.compiler.check import Checked, check
from poedsl.compiler.integrable import integrable
from poedsl.compiler.lower import Lowered, lower
from poedsl.compiler.plan import PlanSpec
from poedsl.compiler.planner import plan
from poedsl.compiler.resolve import Resolved, resolve
from poedsl.compiler.terms import Term
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.parser import parse
from poedsl.grammar.source import Source, Span


@dataclass(frozen=True, slots=True)
class Compiled:
    """What every pass made of a text; the plan is None where there are errors."""

    source: Source
    tree: tree.Program
    resolved: Resolved | None = None
    checked: Checked | None = None
    lowered: Lowered | None = None
    plan: PlanSpec | None = None
    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def ok(self) -> bool:
        return self.plan is not None


def compile_source(
    source: Source, *, strict: bool = False, options: dict[str, Term] | None = None
) -> Compiled:
    """Compile a program.

    Args:
        strict: refuse inputs that are not declared.
        options: options of ``sample`` that override the program's.
    """
    try:
        return _compile(source, strict, options or {})
    except RecursionError:
        whole = Span(0, len(source.text))
        too_deep = Diagnostic("P0506", "an expression is nested too deeply", whole)
        return Compiled(source, tree.Program(statements=()), diagnostics=(too_deep,))


def _compile(source: Source, strict: bool, options: dict[str, Term]) -> Compiled:
    program, found = parse(source)
    resolved, more = resolve(program, strict=strict)
    found += more
    checked, more = check(resolved, source)
    found += more
    if any(d.is_error for d in found):
        return Compiled(source, program, resolved, checked, diagnostics=in_order(found))
    lowered, more = lower(checked, source)
    found += (*more, *integrable(lowered))
    lowered.options.update(options)
    made, more = plan(lowered, source.name)
    found = in_order((*found, *more))
    if any(d.is_error for d in found):
        return Compiled(source, program, resolved, checked, lowered, diagnostics=found)
    return Compiled(source, program, resolved, checked, lowered, made, found)


def in_order(diagnostics: tuple[Diagnostic, ...]) -> tuple[Diagnostic, ...]:
    """By place, each once."""
    return tuple(sorted(dict.fromkeys(diagnostics), key=lambda d: (d.span.start, d.span.end)))
