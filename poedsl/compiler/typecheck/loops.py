"""What loops run over, and the names that blocks bind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from poedsl.compiler.plan.terms import Apply, Const, Ref, Term, names
from poedsl.compiler.typecheck.bound_names import element_type, fresh_name
from poedsl.compiler.typecheck.checked import MOST_FACTORS
from poedsl.compiler.typecheck.program_checker import ProgramChecker
from poedsl.compiler.typecheck.typed import Typed, describe, typed_constant
from poedsl.grammar import tree
from poedsl.grammar.source import Span
from poedsl.grammar.traversal import children
from poedsl.grammar.types import Type


class RunLoop(NamedTuple):
    """A loop over a layout, or over as many numbers as come with data.

    Attributes:
        name: of the element in terms.
        over: what the run takes the elements from.
        element: of what type they are.
    """

    name: str
    over: Term
    element: Typed


def loop_elements(checker: ProgramChecker, statement: tree.For) -> list[Typed] | RunLoop | None:
    """The elements that a loop runs over, where it is known how many; None after an error."""
    expr = statement.iterable
    if isinstance(expr, tree.List) and expr.items:
        items = [checker.value(i) for i in expr.items]
        return items if all(i.ok for i in items) else None
    typed = checker.value(expr)
    if not typed.ok:
        return None
    name = statement.target.name
    if typed.type.name == "Layout":
        return RunLoop(name, typed.term, Typed(Ref(name), Type("Part")))
    if isinstance(typed.value, tuple):
        if not within_factor_limit(checker, len(typed.value), expr.span):
            return None
        return [typed_constant(v, expr.span) for v in typed.value]
    if typed.type.name in ("Real", "Int") and typed.type.sizes and typed.type.sizes[0]:
        rest = Type(typed.type.name, typed.type.sizes[1:])
        if not within_factor_limit(checker, typed.type.sizes[0], expr.span):
            return None
        return [
            Typed(Apply("index", (typed.term, Const(i)), span=expr.span), rest)
            for i in range(typed.type.sizes[0])
        ]
    if inner := sorted(names(typed.term) & checker.variables):
        message = f"how often a loop repeats is known before the run, and this is of `{inner[0]}`"
        checker.error("P0302", message, expr.span)
        return None
    element = element_type(typed.type)
    if element is not None and typed.type.name in ("Real", "Int"):
        fresh = fresh_name(checker, name)
        return RunLoop(fresh, typed.term, Typed(Ref(fresh), element))
    message = f"`for` runs over a vector, a list or a layout, and this is {describe(typed.type)}"
    checker.error("P0302", message, expr.span)
    return None


def within_factor_limit(checker: ProgramChecker, elements: int, span: Span) -> bool:
    """Whether a loop over so many elements makes no more factors than a plan has."""
    if elements + len(checker.factors) <= MOST_FACTORS:
        return True
    checker.error("P0506", f"this loop makes more than {MOST_FACTORS:,} factors", span)
    return False


@contextmanager
def element_scope(checker: ProgramChecker, statement: tree.For, element: Typed) -> Iterator[None]:
    """Give the names of a block their values at one element of the loop."""
    with checker.binding(*names_bound(statement)):
        checker.environment[statement.target.name] = element
        for let in statement.body:
            if isinstance(let, tree.Let):
                checker.environment[let.name.name] = checker.value(let.value)
        yield


def names_bound(statement: tree.For) -> list[str]:
    """The names that a block gives values."""
    constants = (s.name.name for s in statement.body if isinstance(s, tree.Let))
    return [statement.target.name, *constants]


def names_bound_within(statements: tuple[tree.Statement, ...]) -> set[str]:
    """The names bound by blocks and comprehensions, which may hide other names there."""
    out: set[str] = set()
    pending: list[tree.Node] = [*statements]
    while pending:
        node = pending.pop()
        pending += children(node)
        match node:
            case tree.For():
                out.update(names_bound(node))
            case tree.Comprehension(target=target):
                out.add(target.name)
            case tree.Scan(target=target, carries=carries):
                out.update(c.name for c in carries if c.name is not None)
                out.add(target.name)
    return out


def factors_in(statements: tuple[tree.Statement, ...]) -> Iterator[tree.Factor]:
    """The ``~`` statements, those in blocks too."""
    for statement in statements:
        if isinstance(statement, tree.Factor):
            yield statement
        elif isinstance(statement, tree.For):
            yield from factors_in(statement.body)
