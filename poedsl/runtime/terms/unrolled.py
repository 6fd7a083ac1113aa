"""The sites of a run: factors whose loops over inputs are unrolled, one for each element."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from poedsl.compiler.plan.plan_parts import FactorSpec
from poedsl.compiler.plan.terms import Apply, Const, Ref, Term

#: A part of a layout: what stands for its box and its text.
Element = Mapping[str, Term]


def unrolled(
    factor: FactorSpec, elements: Callable[[Term], Sequence[Element]]
) -> Iterator[FactorSpec]:
    """The factor at each element of what it runs over, named `flux[0]`, `flux[1]` and so on."""
    if not factor.loops:
        yield factor
        return
    (name, over), *rest = factor.loops
    hidden = name in dict(rest)
    for number, element in enumerate(elements(over)):
        inner = replace(factor, name=f"{factor.name}[{number}]", loops=tuple(rest))
        if not hidden:
            inner = replace(
                inner,
                term=put(factor.term, name, element),
                exponent=put(factor.exponent, name, element),
                part=None if factor.part is None else put(factor.part, name, element),
                observed=None if factor.observed is None else put(factor.observed, name, element),
            )
        yield from unrolled(inner, elements)


def base_name(site: str) -> str:
    """The name of the factor that a site is of."""
    return site.partition("[")[0]


def put(term: Term, name: str, element: Element) -> Term:
    """The term with the attributes of ``name`` in their places."""
    match term:
        case Apply("attribute", (Ref(inner), Const(str(field)))) if inner == name:
            return element[field]
        case Apply(function, args, kwargs):
            return Apply(
                function,
                tuple(put(a, name, element) for a in args),
                tuple((k, put(a, name, element)) for k, a in kwargs),
                term.span,
            )
        case _:
            return term
