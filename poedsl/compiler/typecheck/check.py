"""Pass 3, types: every expression gets a type and a shape, constants fold, domains unify.

The result holds terms instead of syntax: products of named calls with closed arguments. Loops over
constants are unrolled; loops over inputs stay.
"""

from __future__ import annotations

from poedsl.compiler.names.resolve import Resolved
from poedsl.compiler.plan.plan_parts import VariableSpec
from poedsl.compiler.plan.terms import Term, names
from poedsl.compiler.typecheck.checked import Checked, CheckedFactor, Loops
from poedsl.compiler.typecheck.declarations import check_declarations, check_let, within_size_limit
from poedsl.compiler.typecheck.domains import check_sampled, find_domains
from poedsl.compiler.typecheck.loops import RunLoop, loop_elements, names_bound
from poedsl.compiler.typecheck.observed import check_observed, warn_of_data_in_loop
from poedsl.compiler.typecheck.open_sizes import close_sizes
from poedsl.compiler.typecheck.passed_arguments import check_passed_argument
from poedsl.compiler.typecheck.products import product_term
from poedsl.compiler.typecheck.program_checker import ProgramChecker
from poedsl.compiler.typecheck.repeated_statements import merged
from poedsl.compiler.typecheck.reports import reported_values
from poedsl.compiler.typecheck.sample_options import OptionChecker
from poedsl.compiler.typecheck.target import TypedTarget
from poedsl.compiler.typecheck.typed import POISONED, Typed
from poedsl.compiler.typecheck.vectorised_loops import at_once
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.source import Source, Span
from poedsl.grammar.traversal import target_name, variables_of


def check(resolved: Resolved, source: Source) -> tuple[Checked, tuple[Diagnostic, ...]]:
    """Type a resolved program."""
    checker = ProgramChecker(
        source,
        resolved=resolved,
        signatures=resolved.signatures,
        renamed=frozenset(resolved.renamed),
    )
    checked = check_program(checker, resolved.program.statements)
    return checked, tuple(checker.diagnostics)


def check_program(checker: ProgramChecker, statements: tuple[tree.Statement, ...]) -> Checked:
    checker.environment.update(dict.fromkeys(checker.resolved.unreadable, POISONED))
    for passed in checker.resolved.passed:
        checker.passed.setdefault(passed.place, []).append(passed)
    variables = variables_of(statements)
    checker.variables = frozenset(variables)
    later = check_declarations(checker, statements, set(variables))
    find_domains(checker, statements, variables)
    close_sizes(checker, statements)
    for let in later:
        check_let(checker, let)
    checker.incomplete |= checker.resolved.incomplete
    for statement in statements:
        check_statement(checker, statement, ())
    checker.incomplete |= {v for v in variables if not checker.environment[v].ok}
    checker.incomplete |= check_sampled(checker, checker.incomplete)
    return Checked(
        inputs=tuple(checker.inputs.values()),
        lets=tuple(checker.lets.values()),
        variables=tuple(
            VariableSpec(v, checker.environment[v].type, checker.spaces.get(v, ("",))[0])
            for v in variables
        ),
        factors=tuple(checker.factors),
        options=check_options(checker, statements),
        places={v: checker.places[v] for v in variables},
        incomplete=frozenset(checker.incomplete),
        sizes=tuple(checker.sizes),
        reports=reported_values(checker, statements),
    )


def check_statement(checker: ProgramChecker, statement: tree.Statement, loops: Loops) -> None:
    match statement:
        case tree.Factor():
            check_factor(checker, statement, loops)
        case tree.For():
            check_loop(checker, statement, loops)


def check_factor(checker: ProgramChecker, statement: tree.Factor, loops: Loops) -> None:
    if statement.observed:
        check_observed(checker, statement, loops)
        return
    name = target_name(statement.target).name
    whole = isinstance(statement.target, tree.Name)
    typed = checker.environment[name] if whole else part_of(checker, statement.target, loops)
    target = TypedTarget(name, typed, statement.target.span)
    with checker.about(name if whole else ""):
        product = product_term(checker, statement.product, target)
    sound = all([check_passed_argument(checker, p) for p in checker.passed.get(statement.span, ())])
    if product is None or not typed.ok or not sound:
        checker.incomplete.add(name)
        return
    given_place = None if statement.given is None else statement.given.span
    term = None if whole else typed.term
    factor = CheckedFactor(name, product, statement.span, term, given_place, loops)
    checker.factors.append(at_once(factor, typed.type, checker))


def part_of(checker: ProgramChecker, target: tree.Expr, loops: Loops) -> Typed:
    """A part that a statement is about: a region, or indices known before the run."""
    typed = checker.value(target)
    if typed.ok and isinstance(target, tree.Index):
        for item in target.items:
            index = None if isinstance(item, tree.Slice) else checker.value(item)
            if index is None or not index.type.is_numeric or isinstance(index.value, int):
                continue
            if index.type.sizes or not names(index.term) <= dict(loops).keys():
                message = "the part of a statement is known when the program is compiled"
                note = "a parameter may have indices that come with data: `Normal(a[group], 1)`"
                return checker.error("P0305", message, item.span, notes=(note,))
    return typed


def check_loop(checker: ProgramChecker, statement: tree.For, loops: Loops) -> None:
    elements = loop_elements(checker, statement)
    if elements is None:
        checker.incomplete |= set(variables_of(statement.body))
        return
    before = len(checker.diagnostics)
    if isinstance(elements, RunLoop):
        inner = (*loops, (elements.name, elements.over))
        check_block(checker, statement, elements.element, inner)
        return
    first = len(checker.factors)
    for element in elements:
        check_block(checker, statement, element, loops)
        if len(checker.diagnostics) > before:
            checker.incomplete |= set(variables_of(statement.body))
            return
    repeated = checker.factors[first:]
    checker.factors[first:] = merged(repeated, statement.target.name, checker)
    warn_of_data_in_loop(checker, statement, first)


def check_block(checker: ProgramChecker, statement: tree.For, element: Typed, loops: Loops) -> None:
    """One time through a block: a constant stands for its value from its line to the end."""
    with checker.binding(*names_bound(statement)):
        checker.environment[statement.target.name] = element
        for inner in statement.body:
            if isinstance(inner, tree.Let):
                typed = within_size_limit(checker, checker.value(inner.value), inner)
                checker.environment[inner.name.name] = typed
            else:
                check_statement(checker, inner, loops)


def check_options(
    checker: ProgramChecker, statements: tuple[tree.Statement, ...]
) -> dict[str, tuple[Term, Span]]:
    out: dict[str, tuple[Term, Span]] = {}
    for statement in statements:
        if isinstance(statement, tree.Sample):
            out = OptionChecker(checker).sample(statement)
    return out
