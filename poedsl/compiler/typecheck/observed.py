"""Types of statements on data: `y ~ Normal(mu, 1)`, where `y` is an input or a constant."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from poedsl.compiler.plan.plan_parts import LetSpec
from poedsl.compiler.plan.terms import Const, Ref, names
from poedsl.compiler.typecheck.checked import CheckedFactor, Loops
from poedsl.compiler.typecheck.passed_arguments import check_passed_argument
from poedsl.compiler.typecheck.products import product_term
from poedsl.compiler.typecheck.program_checker import ProgramChecker
from poedsl.compiler.typecheck.target import TypedTarget
from poedsl.compiler.typecheck.typed import POISONED
from poedsl.compiler.typecheck.vectorised_loops import at_once
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Diagnostic, Label
from poedsl.grammar.traversal import names_in, target_name

#: A loop over so many data is slow.
MANY_DATA = 50


def check_observed(checker: ProgramChecker, statement: tree.Factor, loops: Loops) -> None:
    """A statement on data; with an error, the variables in it are incomplete."""
    target = observed_target(checker, statement)
    with checker.about(data=True):
        product = product_term(checker, statement.product, target)
    sound = all([check_passed_argument(checker, p) for p in checker.passed.get(statement.span, ())])
    if product is None or not target.typed.ok or not sound:
        checker.incomplete |= names_in(statement) & checker.variables
        return
    given_span = None if statement.given is None else statement.given.span
    factor = CheckedFactor(
        target.variable,
        product,
        statement.span,
        given=given_span,
        loops=loops,
        observed=target.typed.term,
    )
    checker.factors.append(at_once(factor, target.typed.type, checker))


def warn_of_data_in_loop(checker: ProgramChecker, loop: tree.For, first: int) -> None:
    """Warn of a loop that makes a factor of each of many data.

    Args:
        first: the number of factors before the loop.
    """
    spans = Counter(f.span for f in checker.factors[first:] if f.observed is not None)
    on_data = (s for s in loop.body if isinstance(s, tree.Factor) and spans[s.span] >= MANY_DATA)
    statement = next(on_data, None)
    if statement is None:
        return
    count = spans[statement.span]
    name = target_name(statement.target).name
    warning = Diagnostic(
        "P0812",
        f"this loop makes {count:,} factors of `{name}`, which are evaluated one by one",
        statement.span,
        "warning",
        labels=(Label(loop.target.span, "the element"),),
        notes=(f"one statement on the vector, `{name} ~ ...`, evaluates all data at once",),
    )
    if warning not in checker.diagnostics:
        checker.diagnostics.append(warning)


def observed_target(checker: ProgramChecker, statement: tree.Factor) -> TypedTarget:
    """The data on the left of a statement, by name; poisoned after an error."""
    name = target_name(statement.target)
    whole = checker.environment.get(name.name, POISONED)
    if whole.ok and (inner := sorted(names(whole.term) & checker.variables)):
        shown = checker.text(statement.product.span)
        whole = checker.error(
            "P0415",
            f"`{name.name}` depends on the variable `{inner[0]}`, and is not observed",
            name.span,
            labels=(Label(checker.places[name.name], "declared here"),),
            notes=(
                "data are inputs and constants; a density of an expression is a reward, "
                f"such as `{inner[0]} ~ exp(log_prob({shown}, {name.name}))`",
            ),
        )
    if isinstance(whole.term, Const) and whole.ok:
        checker.lets[name.name] = LetSpec(name.name, whole.type, whole.term)
    own_name = whole.term.name if isinstance(whole.term, Ref) else name.name
    with checker.binding(name.name):
        checker.environment[name.name] = replace(whole, term=Ref(own_name)) if whole.ok else whole
        typed = checker.value(statement.target)
    if typed.ok and (inside := sorted(names(typed.term) & checker.variables)):
        typed = checker.error(
            "P0415",
            f"which of `{name.name}` these are depends on the variable `{inside[0]}`",
            statement.target.span,
            labels=(Label(checker.places[inside[0]], "the variable"),),
            notes=("the part of data that a statement is about is known before the run",),
        )
    return TypedTarget(name.name, typed, statement.target.span, observed=True)
