"""The state of type checking: the types of names, and the diagnostics so far."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from poedsl.catalog.registry import SIGNATURES
from poedsl.catalog.signatures import Signature
from poedsl.compiler.plan.terms import Value
from poedsl.compiler.typecheck.typed import POISONED, Typed
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.limits import CODE, limit, remedy
from poedsl.grammar.source import Source, Span

#: The operations that typing an expression counts for; computing a number of a constant is one.
EVALUATION = 10
#: How often the passes may visit the expressions that a program writes out.
PASSES = 4


class TooMuchWork(Exception):
    """Constants and loops of a program take more operations than the limit allows."""

    def __init__(self, span: Span) -> None:
        super().__init__(span)
        self.span = span

    @property
    def diagnostic(self) -> Diagnostic:
        message = (
            f"constants and loops take more than {limit('operations'):,} operations when the "
            "program is compiled, which is the limit"
        )
        return Diagnostic(CODE, message, self.span, notes=(remedy("operations"),))


@dataclass(slots=True)
class WorkBudget:
    """What a check has computed, and may compute."""

    done: int = 0
    allowed: int = field(default_factory=lambda: limit("operations"))

    def allow(self, operations: int) -> None:
        """Allow so many more operations."""
        self.allowed += operations

    def add(self, operations: int, span: Span) -> None:
        """Count operations.

        Raises:
            TooMuchWork: they are more than are allowed.
        """
        self.done += operations
        if self.done > self.allowed:
            raise TooMuchWork(span)


@dataclass(slots=True)
class TypeScope(ABC):
    """The state of type checking: what names stand for, and the diagnostics so far.

    Attributes:
        environment: the typed term that each name stands for.
        places: the place from which each name has its type.
        variables: the names that are sampled.
        renamed: names introduced by the expansion, which the text does not contain.
        in_reward: whether the expression is an argument of ``exp``, where rewards may be called.
        target_variable: the variable of the statement being checked, if the statement is about the
            whole of it.
        on_data: whether the statement being checked is about data.
        signatures: the signatures that calls may name.
        element_values: the values that a name stands for in a loop, where they are constants.
        elements: the names of elements and of carried values, inside of comprehensions and scans
            that the run evaluates.
        work: what has been computed, of what the limit allows.
    """

    source: Source
    diagnostics: list[Diagnostic] = field(default_factory=list)
    environment: dict[str, Typed] = field(default_factory=dict)
    places: dict[str, Span] = field(default_factory=dict)
    variables: frozenset[str] = frozenset()
    renamed: frozenset[str] = frozenset()
    in_reward: bool = False
    target_variable: str = ""
    on_data: bool = False
    signatures: Mapping[str, Signature] = field(default_factory=lambda: SIGNATURES)
    element_values: dict[str, tuple[Value, ...]] = field(default_factory=dict)
    elements: set[str] = field(default_factory=set)
    work: WorkBudget = field(default_factory=WorkBudget)

    def __post_init__(self) -> None:
        self.work.allow(EVALUATION * PASSES * len(self.source.text))

    @abstractmethod
    def value(self, expr: tree.Expr) -> Typed:
        """The typed value of an expression; `POISONED` after reporting an error in it."""

    def error(self, code: str, message: str, span: Span, **more: Any) -> Typed:
        self.diagnostics.append(Diagnostic(code, message, span, **more))
        return POISONED

    @contextmanager
    def binding(self, *names: str) -> Iterator[None]:
        """Restore what names stand for when the context ends."""
        hidden = {name: self.environment[name] for name in names if name in self.environment}
        try:
            yield
        finally:
            for name in names:
                self.environment.pop(name, None)
            self.environment.update(hidden)

    @contextmanager
    def looping(self, names: Iterable[str], element: str, values: Value) -> Iterator[None]:
        """Inside of a loop of the run, which binds names; where it is over constants, the values of
        its element are known.
        """
        bound = set(names) - self.elements
        self.elements |= bound
        if isinstance(values, tuple):
            self.element_values[element] = values
        try:
            yield
        finally:
            self.element_values.pop(element, None)
            self.elements -= bound

    @contextmanager
    def within_reward(self, inside: bool = True) -> Iterator[None]:
        """Inside of the argument of ``exp``."""
        before, self.in_reward = self.in_reward, inside
        try:
            yield
        finally:
            self.in_reward = before

    @contextmanager
    def about(self, variable: str = "", *, data: bool = False) -> Iterator[None]:
        """Inside of a statement about the whole of a variable, a part of one, or data."""
        before = self.target_variable, self.on_data
        self.target_variable, self.on_data = variable, data
        try:
            yield
        finally:
            self.target_variable, self.on_data = before

    def text(self, span: Span) -> str:
        return self.source.text[span.start : span.end]

    def signature_of(self, expr: tree.Expr) -> Signature | None:
        return self.signatures.get(expr.function.name) if isinstance(expr, tree.Call) else None
