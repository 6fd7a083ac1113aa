"""Loops over numbers that come with data.

The run repeats a block for each element. Where a statement is about one number of the data at each
element, it is one factor of all of them instead, whose parameters are comprehensions.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import replace

from poedsl.catalog.signatures import Signature
from poedsl.compiler.plan.terms import Apply, Const, Ref, Term, names, walk
from poedsl.compiler.typecheck.bound_names import vectorised
from poedsl.compiler.typecheck.checked import CheckedFactor
from poedsl.grammar.types import Type

#: Calls whose sizes differ between elements, if their arguments do.
OF_A_SIZE = frozenset({"range", "linspace", "zeros", "ones", "identity", "slice"})


def at_once(
    factor: CheckedFactor, element: Type, signatures: Mapping[str, Signature]
) -> CheckedFactor:
    """A statement on data in loops as one on all their elements, where that is the same.

    Args:
        element: the type of what the factor is over.
    """
    loops = dict(factor.loops)
    observed = factor.observed
    if not loops or element.sizes or not isinstance(observed, Apply):
        return factor
    independent = not any(names(over) & loops.keys() for over in loops.values())
    numeric = all(vectorised(over) for over in loops.values())
    used = loops.keys() <= names(observed)
    if not (independent and numeric and used and observed.function == "index"):
        return factor
    product = _product_at_once(factor.product, factor, signatures)
    if product is None or not _mapped(observed, loops.keys()):
        return factor
    items = tuple(_over_elements(item, factor) for item in observed.args[1:])
    data = replace(observed, args=(observed.args[0], *items))
    return replace(factor, product=product, observed=data, loops=())


def _product_at_once(
    term: Term, factor: CheckedFactor, signatures: Mapping[str, Signature]
) -> Term | None:
    """A product of densities of single numbers at all elements; None of other products."""
    if not isinstance(term, Apply):
        return None
    bound = dict(factor.loops).keys()
    parts: list[Term | None]
    if term.function in ("*", "/"):
        parts = [_product_at_once(a, factor, signatures) for a in term.args]
    elif term.function == "^":
        base, exponent = term.args
        constant = not names(exponent) & bound
        parts = [_product_at_once(base, factor, signatures), exponent if constant else None]
    elif term.function == "mixture":
        parts = [
            _parameter(a, factor) if i % 2 == 0 else _product_at_once(a, factor, signatures)
            for i, a in enumerate(term.args)
        ]
    else:
        signature = signatures.get(term.function)
        if signature is None or signature.family != "density" or signature.event_rank:
            return None
        named = [(k, _parameter(a, factor)) for k, a in term.kwargs]
        computed = tuple((k, a) for k, a in named if a is not None)
        return replace(term, kwargs=computed) if len(computed) == len(named) else None
    every = tuple(p for p in parts if p is not None)
    return replace(term, args=every) if len(every) == len(parts) else None


def _parameter(term: Term, factor: CheckedFactor) -> Term | None:
    """A parameter at all elements; None where it cannot be computed for all at once."""
    bound = dict(factor.loops).keys()
    if not names(term) & bound:
        return term
    return _over_elements(term, factor) if _mapped(term, bound) else None


def _mapped(term: Term, bound: Set[str]) -> bool:
    """Whether a term has one shape at all elements, and is evaluated for all at once."""
    inner = [t for t in walk(term) if isinstance(t, Apply) and t.function in OF_A_SIZE]
    return vectorised(term) and not any(names(t) & bound for t in inner)


def _over_elements(term: Term, factor: CheckedFactor) -> Term:
    """A term at all elements, those of the outermost loop first; a constant is that of all."""
    if isinstance(term, Const):
        return term
    for name, over in reversed(factor.loops):
        if term == Ref(name):
            term = over
            continue
        term = Apply("comprehension", (Const(name), over, term))
    return term
