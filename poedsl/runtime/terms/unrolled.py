"""The factors of a run: those whose loops over inputs are unrolled, one for each element."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from poedsl.compiler.plan.plan_parts import FactorSpec
from poedsl.compiler.plan.terms import Apply, Const, Ref, Term

#: A part of a layout, by what stands for its box and its text, or a number, a vector or a matrix.
Element = Mapping[str, Term] | Const
#: Operators of whole numbers that are computed where both sides are known, as in `x[n - 1]`.
OF_INDICES: dict[str, Callable[[list[int]], int]] = {
    "+": sum,
    "*": math.prod,
    "-": lambda v: v[0] - sum(v[1:]),
    "neg": lambda v: -v[0],
}


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
        within = tuple(rest) if hidden else tuple((n, put(t, name, element)) for n, t in rest)
        inner = replace(factor, name=f"{factor.name}[{number}]", loops=within)
        if not hidden:
            inner = replace(
                inner,
                term=put(factor.term, name, element),
                exponent=put(factor.exponent, name, element),
                part=None if factor.part is None else put(factor.part, name, element),
                observed=None if factor.observed is None else put(factor.observed, name, element),
            )
        yield from unrolled(inner, elements)


def base_name(factor_name: str) -> str:
    """The name of the factor that a site is of."""
    return factor_name.partition("[")[0]


def put(term: Term, name: str, element: Element) -> Term:
    """The term with an element, or its attributes, in place of ``name``."""
    match term:
        case Ref(inner) if inner == name and isinstance(element, Const):
            return element
        case Apply("attribute", (Ref(inner), Const(str(field)))) if inner == name:
            assert not isinstance(element, Const)
            return element[field]
        case Apply(function, args, kwargs):
            args = tuple(put(a, name, element) for a in args)
            values = [a.value for a in args if isinstance(a, Const) and isinstance(a.value, int)]
            if function in OF_INDICES and len(values) == len(args):
                return Const(OF_INDICES[function](values), term.span)
            placed = tuple((k, put(a, name, element)) for k, a in kwargs)
            return Apply(function, args, placed, term.span)
        case _:
            return term
