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
from poedsl.compiler.lowering.lower import lower
from poedsl.compiler.names.expand_definitions import Expanded, expand
from poedsl.compiler.names.pipelines import name_pipelines, other_expert
from poedsl.compiler.names.resolve import Resolved, resolve
from poedsl.compiler.names.use_statements import read_use
from poedsl.compiler.plan.lowered import Lowered
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.plan_parts import UseSpec
from poedsl.compiler.plan.terms import MOST_LEVELS, Apply, Term, walk
from poedsl.compiler.planner.planner import plan
from poedsl.compiler.typecheck.check import check
from poedsl.compiler.typecheck.checked import Checked
from poedsl.compiler.typecheck.scope import TooMuchWork
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.limits import excess
from poedsl.grammar.parsing.parser import parse
from poedsl.grammar.source import NOWHERE, Source, Span
from poedsl.grammar.traversal import deeper_than


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
    registered: Mapping[str, Signature] | None = None,
) -> Compiled:
    """Compile a program.

    Args:
        strict: refuse inputs that are not declared.
        options: options of ``sample`` that override the program's.
        base: the folder that places in ``use`` statements are relative to.
        registered: signatures of Python objects beside those of the language, by name.
    """
    size = len(source.text.encode("utf-8", "surrogatepass"))
    if too_large := excess("program", "the program has", size):
        return Compiled(source, tree.Program(statements=()), diagnostics=(too_large,))
    try:
        with without_collection():
            return _compile(source, strict, options or {}, base, registered or {})
    except RecursionError:
        whole = Span(0, len(source.text))
        too_deep = Diagnostic("P0506", "an expression is nested too deeply", whole)
        return Compiled(source, tree.Program(statements=()), diagnostics=(too_deep,))
    except TooMuchWork as error:
        return Compiled(source, tree.Program(statements=()), diagnostics=(error.diagnostic,))


@contextmanager
def without_collection() -> Iterator[None]:
    """Disable the search for cyclic garbage, which would visit all trees again and again:
    trees have no cycles.
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
    registered: Mapping[str, Signature],
) -> Compiled:
    program, diagnostics = parse(source)
    if too_deep := deeper_than(program, MOST_LEVELS):
        diagnostics = in_order((*diagnostics, nested(too_deep.span)))
        return Compiled(source, program, diagnostics=diagnostics)
    has_syntax_errors = any(d.is_error for d in diagnostics)
    unreadable = unread_names(source.text, program) if has_syntax_errors else frozenset()

    named, pipelines, more = name_pipelines(program)
    diagnostics += more
    uses, more = read_uses(named, base, pipelines)
    diagnostics += more
    user_signatures = {**registered, **{u.name: u.signature for u in uses}}
    use_names = {s.name.name for s in named.statements if isinstance(s, tree.Use)}
    defined = {s.name.name for s in program.statements if isinstance(s, tree.ExpertDefinition)}
    unreadable |= ((use_names | pipelines) - user_signatures.keys()) | (defined & SIGNATURES.keys())
    every_signature = {**SIGNATURES, **user_signatures}
    signatures = {k: s for k, s in every_signature.items() if k not in unreadable & defined}

    expanded, more = expand(named, signatures)
    diagnostics += more
    for statement in every(expanded.program.statements) if expanded.passed else ():
        if deeper_than(statement, MOST_LEVELS):
            diagnostics = in_order((*diagnostics, nested(statement.span)))
            return Compiled(source, program, diagnostics=diagnostics)

    start = program.statements[0].span.start if program.statements else 0
    resolved, more = resolve(
        expanded, signatures, strict=strict, unreadable=unreadable, indent=source.indent(start)
    )
    diagnostics += more

    checked, more = check(resolved, source)
    diagnostics += more
    if not any(d.is_error for d in diagnostics) and not checked.variables:
        diagnostics += (no_variable(source.text, [f.variable for f in checked.factors]),)

    lowered, more = lower(checked, source, signatures)
    diagnostics += more

    refuted = integrable(lowered) | contradictions(lowered, signatures)
    diagnostics += tuple(refuted.values())
    lowered = replace(lowered, incomplete=lowered.incomplete | refuted.keys())
    diagnostics += tuple(tails(lowered, signatures))

    overridden = {name: (value, NOWHERE) for name, value in options.items()}
    lowered = replace(lowered, options={**lowered.options, **overridden})
    planned, more = plan(lowered, source.name, signatures_called(lowered, uses, registered))
    diagnostics = in_order((*diagnostics, *more))
    failed = any(d.is_error for d in diagnostics)
    assert failed or not lowered.incomplete, f"dropped without an error: {lowered.incomplete}"
    passes = Compiled(source, program, expanded, resolved, checked, lowered, None, diagnostics)
    return passes if failed else replace(passes, plan=planned)


def read_uses(
    program: tree.Program, base: Path, pipelines: frozenset[str]
) -> tuple[list[UseSpec], tuple[Diagnostic, ...]]:
    """What the program's ``use`` statements name, read without running any code.

    Args:
        pipelines: the names that stand for calls of ``pipeline``.
    """
    uses: list[UseSpec] = []
    problems: list[Diagnostic] = []
    for statement in program.statements:
        if isinstance(statement, tree.Use):
            name = statement.name.name
            signature = read_use(statement, base, as_pipeline=name in pipelines)
            if isinstance(signature, Diagnostic):
                problems.append(signature)
            else:
                uses.append(UseSpec(name, statement.place.value, signature))
                if name in pipelines:
                    problems += other_expert(statement, base)
    return uses, tuple(problems)


def signatures_called(
    lowered: Lowered, uses: list[UseSpec], registered: Mapping[str, Signature]
) -> tuple[UseSpec, ...]:
    """The signatures other than the built-in ones that factors and constants call."""
    terms = [
        t for f in lowered.factors for t in (f.term, f.exponent, f.part, *dict(f.loops).values())
    ]
    terms += [c.term for c in lowered.lets]
    called = {
        t.function for term in terms if term is not None for t in walk(term) if isinstance(t, Apply)
    }
    by_name = {u.name: u for u in uses}
    for name, signature in registered.items():
        place = signature.implementation.removeprefix("code:")
        by_name.setdefault(name, UseSpec(name, place, signature))
    return tuple(use for name, use in by_name.items() if name in called)


_WORD = re.compile(r'[A-Za-z_]\w*|#[^\n]*|"(?:[^"\\\n]|\\.)*"?')


def unread_names(text: str, program: tree.Program) -> frozenset[str]:
    """The names in lines with a syntax error, about which nothing is known therefore."""
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


def no_variable(text: str, data: list[str]) -> Diagnostic:
    """A program without a variable, whose statements are about data of these names."""
    stripped = text.strip()
    start = text.index(stripped) if stripped else 0
    return Diagnostic(
        "P0411",
        "the program has no variable, so there is nothing to sample",
        Span(start, start + len(stripped.split("\n", 1)[0])),
        notes=(
            "a variable comes with a statement such as `x ~ Normal(0, 1)`",
            *(f"`{name}` has a value, so that it is data" for name in dict.fromkeys(data)),
        ),
    )


def in_order(diagnostics: tuple[Diagnostic, ...]) -> tuple[Diagnostic, ...]:
    """By place, each once."""
    return tuple(sorted(dict.fromkeys(diagnostics), key=lambda d: (d.span.start, d.span.end)))
