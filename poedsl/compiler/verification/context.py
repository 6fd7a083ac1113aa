"""A plan that is being verified, and the values of its terms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn

from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.read_json import at
from poedsl.compiler.plan.term_syntax import to_tree
from poedsl.compiler.plan.terms import Term
from poedsl.compiler.typecheck.typed import Typed
from poedsl.compiler.typecheck.values import ExpressionChecker
from poedsl.compiler.verification.well_formed import malformed
from poedsl.grammar.source import NOWHERE


class PlanFault(Exception):
    """An error in a plan, with its place in the JSON."""


def wrong(place: str, problem: str) -> NoReturn:
    raise PlanFault(f"{at(place)}{problem}")


def require_unique(listed: Mapping[str, str], owner: str) -> None:
    """Refuse names, by their places, that occur more than once."""
    earlier: set[str] = set()
    for place, name in listed.items():
        if name in earlier:
            wrong(f"{place}.name", f"`{name}` is the name of {owner} already")
        earlier.add(name)


@dataclass(frozen=True, slots=True)
class Context:
    """A plan with the checker of its terms."""

    plan: PlanSpec
    checker: ExpressionChecker

    def declare(self, name: str, typed: Typed) -> None:
        self.checker.environment[name] = typed
        self.checker.places[name] = NOWHERE

    @contextmanager
    def diagnosed(self, place: str) -> Iterator[None]:
        """Raise the type checker's first diagnostic as an error at a place."""
        yield
        if self.checker.diagnostics:
            first = self.checker.diagnostics.pop(0)
            self.checker.diagnostics.clear()
            wrong(place, first.message)

    def value(self, term: Term, place: str) -> Typed:
        """The typed value of a term."""
        if problem := malformed(term):
            wrong(place, problem)
        with self.diagnosed(place):
            typed = self.checker.value(to_tree(term))
        return typed if typed.ok else wrong(place, "a name or a call here is not known")
