"""The typed program: terms instead of syntax."""

from __future__ import annotations

from dataclasses import dataclass

from poedsl.compiler.plan.plan_parts import InputSpec, LetSpec, ReportSpec, SizeSpec, VariableSpec
from poedsl.compiler.plan.terms import Term
from poedsl.grammar.source import Span

#: The most factors that a program may unroll to.
MOST_FACTORS = 10_000


#: The most nodes of one term.
MOST_NODES = 100_000


Loops = tuple[tuple[str, Term], ...]


@dataclass(frozen=True, slots=True)
class CheckedFactor:
    """One ``~`` statement: a product over a variable, or a part of it, or over data.

    Attributes:
        variable: of a statement on data, their name.
        part: ``x[...]`` as a term; None for the whole variable.
        given: the place of ``given``, when the factor is conditioned on the variable's parents.
        loops: the loops over inputs that the factor is in, outermost first.
        observed: the data, or a part of them; None of statements on variables.
    """

    variable: str
    product: Term
    span: Span
    part: Term | None = None
    given: Span | None = None
    loops: Loops = ()
    observed: Term | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """The typed program.

    Attributes:
        options: the options of ``sample``, each with its place.
        places: the place from which each variable has its type.
        incomplete: variables of which a statement or the type has an error.
    """

    inputs: tuple[InputSpec, ...]
    lets: tuple[LetSpec, ...]
    variables: tuple[VariableSpec, ...]
    factors: tuple[CheckedFactor, ...]
    options: dict[str, tuple[Term, Span]]
    places: dict[str, Span]
    incomplete: frozenset[str]
    sizes: tuple[SizeSpec, ...] = ()
    reports: tuple[ReportSpec, ...] = ()
