"""Text to plan: the passes in order, each pure, all diagnostics in one run."""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from poedsl.catalog.registry import SIGNATURES
from poedsl.catalog.signatures import Signature
from poedsl.compiler.analysis.integrability import integrable
from poedsl.compiler.analysis.supports import contradictions
from poedsl.compiler.analysis.tails import tails
from poedsl.compiler.names.expand_definitions import Expanded, expand
from poedsl.compiler.names.resolve import Resolved, resolve
from poedsl.compiler.names.syntax_names import too_deep
from poedsl.compiler.names.use_statements import read_use
from poedsl.compiler.plan.lower import Lowered, lower
from poedsl.compiler.plan.plan import PlanSpec, UseSpec
from poedsl.compiler.plan.terms import MOST_LEVELS, Apply, Term, walk
from poedsl.compiler.planner.planner import plan
from poedsl.compiler.typecheck.check import Checked, check
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.parsing.parser import parse
from poedsl.grammar.source import NOWHERE, Source, Span


@dataclass(frozen=True, slots=True)
class Compiled:
    """What every pass made of a text; the plan is None where there are errors."""

    source: Source
    tree: tree.Program
    expanded: Expanded | None = None
    resolved: Resolved | None = None
    checked: Checked | None = None
    lowered: Lowered | None = None
    plan: PlanSpec | None = None
    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def ok(self) -> bool:
        return self.plan is not None


def compile_source(
    source: Source,
    *,
    strict: bool = False,
    options: dict[str, Term] | None = None,
    base: Path = Path(),
    known: Mapping[str, Signature] | None = None,
) -> Compiled:
    """Compile a program.

    Args:
        strict: refuse inputs that are not declared.
        options: options of ``sample`` that override the program's.
        base: the folder that places in ``use`` statements are relative to.
        known: signatures beside those of the language, by name.
    """
    try:
        with without_collection():
            return _compile(source, strict, options or {}, base, known or {})
    except RecursionError:
        whole = Span(0, len(source.text))
        too_deep = Diagnostic("P0506", "an expression is nested too deeply", whole)
        return Compiled(source, tree.Program(statements=()), diagnostics=(too_deep,))


@contextmanager
def without_collection() -> Iterator[None]:
    """No search for cyclic garbage meanwhile, which would go through all trees again and again:
    they have no cycles.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _compile(
    source: Source,
    strict: bool,
    options: dict[str, Term],
    base: Path,
    known: Mapping[str, Signature],
) -> Compiled:
    program, found = parse(source)
    if deep := too_deep(program, MOST_LEVELS):
        found = in_order((*found, nested(deep.span)))
        return Compiled(source, program, diagnostics=found)
    read = not any(d.is_error for d in found)
    unread = frozenset() if read else unread_names(source.text, program)
    uses, more = read_uses(program, base)
    found += more
    own = {**known, **{u.name: u.signature for u in uses}}
    broken = {s.name.name for s in program.statements if isinstance(s, tree.Use)} - own.keys()
    defined = {s.name.name for s in program.statements if isinstance(s, tree.ExpertDefinition)}
    unread |= broken | (defined & SIGNATURES.keys())
    signatures = {k: s for k, s in {**SIGNATURES, **own}.items() if k not in unread & defined}
    expanded, more = expand(program, signatures)
    found += more
    for statement in every(expanded.program.statements) if expanded.passed else ():
        if too_deep(statement, MOST_LEVELS):
            found = in_order((*found, nested(statement.span)))
            return Compiled(source, program, diagnostics=found)
    first = program.statements[0].span.start if program.statements else 0
    indent = source.indent(first)
    resolved, more = resolve(expanded, signatures, strict=strict, unread=unread, indent=indent)
    found += more
    checked, more = check(resolved, source)
    found += more
    if not any(d.is_error for d in found) and not checked.variables:
        found += (no_variable(source.text),)
    lowered, more = lower(checked, source, signatures)
    found += more
    refuted = integrable(lowered) | contradictions(lowered, signatures)
    found += tuple(refuted.values())
    lowered = replace(lowered, incomplete=lowered.incomplete | refuted.keys())
    found += tuple(tails(lowered, signatures))
    given = {**lowered.options, **{k: (v, NOWHERE) for k, v in options.items()}}
    lowered = replace(lowered, options=given)
    made, more = plan(lowered, source.name, brought(lowered, uses, known))
    found = in_order((*found, *more))
    failed = any(d.is_error for d in found)
    assert failed or not lowered.incomplete, f"dropped without an error: {lowered.incomplete}"
    passes = Compiled(source, program, expanded, resolved, checked, lowered, None, found)
    return passes if failed else replace(passes, plan=made)


def read_uses(program: tree.Program, base: Path) -> tuple[list[UseSpec], tuple[Diagnostic, ...]]:
    """What the program's ``use`` statements name, read without running any code."""
    found: list[UseSpec] = []
    problems: list[Diagnostic] = []
    for statement in program.statements:
        if isinstance(statement, tree.Use):
            signature = read_use(statement, base)
            if isinstance(signature, Diagnostic):
                problems.append(signature)
            else:
                name, place = statement.name.name, statement.place.value
                found.append(UseSpec(name, place, signature))
    return found, tuple(problems)


def brought(
    lowered: Lowered, uses: list[UseSpec], known: Mapping[str, Signature]
) -> tuple[UseSpec, ...]:
    """The signatures beside the language's own that factors and constants call."""
    terms = [
        t for f in lowered.factors for t in (f.term, f.exponent, f.part, *dict(f.loops).values())
    ]
    terms += [c.term for c in lowered.lets]
    called = {
        t.function for term in terms if term is not None for t in walk(term) if isinstance(t, Apply)
    }
    own = {u.name: u for u in uses}
    for name, signature in known.items():
        place = signature.implementation.removeprefix("code:")
        own.setdefault(name, UseSpec(name, place, signature))
    return tuple(own[name] for name in own if name in called)


_WORD = re.compile(r'[A-Za-z_]\w*|#[^\n]*|"(?:[^"\\\n]|\\.)*"?')


def unread_names(text: str, program: tree.Program) -> frozenset[str]:
    """The names in lines that could not be read, and of which nothing is known therefore."""
    rest = list(text)
    for statement in every(program.statements):
        if not isinstance(statement, tree.For):
            span = statement.span
            rest[span.start : span.end] = " " * (span.end - span.start)
    return frozenset(w for w in _WORD.findall("".join(rest)) if w[0] not in '#"')


def every(statements: tuple[tree.Statement, ...]) -> Iterator[tree.Statement]:
    """The statements, those in blocks too."""
    for statement in statements:
        yield statement
        if isinstance(statement, tree.For):
            yield from every(statement.body)


def nested(span: Span) -> Diagnostic:
    return Diagnostic("P0506", f"this is nested more than {MOST_LEVELS} levels deep", span)


def no_variable(text: str) -> Diagnostic:
    stripped = text.strip()
    start = text.index(stripped) if stripped else 0
    return Diagnostic(
        "P0411",
        "the program has no variable, so there is nothing to sample",
        Span(start, start + len(stripped.split("\n", 1)[0])),
        notes=("a variable comes with a statement such as `x ~ Normal(0, 1)`",),
    )


def in_order(diagnostics: tuple[Diagnostic, ...]) -> tuple[Diagnostic, ...]:
    """By place, each once."""
    return tuple(sorted(dict.fromkeys(diagnostics), key=lambda d: (d.span.start, d.span.end)))
