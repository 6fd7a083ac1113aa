"""Loops whose statements are about one number at each element, as factors of all elements.

The compiler repeats a block for each element of a constant, and the run for each that comes with
data. Where no element depends on another, a statement is one factor of all of them instead, whose
parameters are comprehensions.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace

from poedsl.compiler.plan.terms import Apply, Const, Ref, Term, names, walk
from poedsl.compiler.typecheck.bound_names import vectorised
from poedsl.compiler.typecheck.checked import CheckedFactor, Loops
from poedsl.compiler.typecheck.program_checker import ProgramChecker
from poedsl.grammar.types import Type

#: Calls whose sizes differ between elements, if their arguments do.
OF_A_SIZE = frozenset({"range", "linspace", "zeros", "ones", "identity", "slice"})


def at_once(factor: CheckedFactor, element: Type, checker: ProgramChecker) -> CheckedFactor:
    """A statement in loops as one on all their elements, where that is the same.

    Args:
        element: the type of what the factor is over.
    """
    loops = dict(factor.loops)
    subject = factor.part if factor.observed is None else factor.observed
    if not loops or element.sizes or not isinstance(subject, Apply) or factor.given:
        return factor
    independent = not any(names(over) & loops.keys() for over in loops.values())
    numeric = all(vectorised(over) for over in loops.values())
    used = loops.keys() <= names(subject)
    if not (independent and numeric and used and subject.function == "index"):
        return factor
    product = _product_at_once(factor.product, factor, checker)
    if product is None or not _mapped(subject, loops.keys()):
        return factor
    if factor.observed is not None:
        data = _on_stretch(factor, subject, checker)
        if data is None or not _constant(factor.loops):
            items = tuple(_over_elements(item, factor, checker) for item in subject.args[1:])
            data = replace(subject, args=(subject.args[0], *items))
        return replace(factor, product=product, observed=data, loops=())
    if factor.variable in names(product) or not _of_components(product, checker):
        return factor
    part = _on_stretch(factor, subject, checker)
    if part == Ref(factor.variable):
        return replace(factor, product=product, part=None, loops=())
    if part is None or not _constant(factor.loops):
        return factor
    return replace(factor, product=product, part=part, loops=())


def _of_components(product: Term, checker: ProgramChecker) -> bool:
    """Whether a product on a vector is that of its components: a mixture on a vector chooses one
    density for all of it, and a density of a program is what it makes of its argument.
    """
    if not isinstance(product, Apply) or product.function == "mixture":
        return False
    if product.function in ("*", "/"):
        return all(_of_components(a, checker) for a in product.args)
    if product.function == "^":
        return _of_components(product.args[0], checker)
    return not checker.signatures[product.function].is_code


def _on_stretch(factor: CheckedFactor, part: Apply, checker: ProgramChecker) -> Term | None:
    """All components that the loop of a factor runs over; None where these are not neighbours."""
    if len(factor.loops) != 1:
        return None
    ((name, over),) = factor.loops
    if not isinstance(over, Apply) or over.function != "range" or len(over.args) > 2:
        return None
    start, stop = over.args if len(over.args) == 2 else (Const(0), over.args[0])
    items = [_slice(start, stop) if i == Ref(name) else i for i in part.args[1:]]
    stretch = _whole(replace(part, args=(part.args[0], *items)), checker)
    return None if name in names(stretch) else stretch


def _constant(loops: Loops) -> bool:
    """Whether it is known what loops run over, and that this is something."""
    return not any(names(over) for _, over in loops)


def _slice(start: Term, stop: Term) -> Apply:
    return Apply("slice", (Const(None) if start == Const(0) else start, stop))


def _whole(part: Term, checker: ProgramChecker) -> Term:
    """A part of a vector, or the vector by itself where it is all of it."""
    match part:
        case Apply("index", (Ref(name), Apply("slice", (Const(None), stop)))):
            return Ref(name) if stop == _size(name, checker) else part
        case _:
            return part


def _size(variable: str, checker: ProgramChecker) -> Term | None:
    """The size of a vector, which may come with data; None where it is not known."""
    typed = checker.environment.get(variable)
    if typed is None or len(typed.type.sizes) != 1:
        return None
    (size,) = typed.type.sizes
    declared = (s.term for s in checker.sizes if s.name == variable and s.axis == 0)
    return next(declared, None) if size is None else Const(size)


def _product_at_once(term: Term, factor: CheckedFactor, checker: ProgramChecker) -> Term | None:
    """A product of densities of single numbers at all elements; None of other products."""
    if not isinstance(term, Apply):
        return None
    bound = dict(factor.loops).keys()
    parts: list[Term | None]
    if term.function in ("*", "/"):
        parts = [_product_at_once(a, factor, checker) for a in term.args]
    elif term.function == "^":
        base, exponent = term.args
        constant = not names(exponent) & bound
        parts = [_product_at_once(base, factor, checker), exponent if constant else None]
    elif term.function == "mixture":
        parts = [
            _parameter(a, factor, checker) if i % 2 == 0 else _product_at_once(a, factor, checker)
            for i, a in enumerate(term.args)
        ]
    else:
        signature = checker.signatures.get(term.function)
        if signature is None or signature.family != "density" or signature.event_rank:
            return None
        named = [(k, _parameter(a, factor, checker)) for k, a in term.kwargs]
        computed = tuple((k, a) for k, a in named if a is not None)
        return replace(term, kwargs=computed) if len(computed) == len(named) else None
    every = tuple(p for p in parts if p is not None)
    return replace(term, args=every) if len(every) == len(parts) else None


def _parameter(term: Term, factor: CheckedFactor, checker: ProgramChecker) -> Term | None:
    """A parameter at all elements; None where it cannot be computed for all at once."""
    bound = dict(factor.loops).keys()
    if not names(term) & bound:
        return term
    return _over_elements(term, factor, checker) if _mapped(term, bound) else None


def _mapped(term: Term, bound: Set[str]) -> bool:
    """Whether a term has one shape at all elements, and is evaluated for all at once."""
    inner = [t for t in walk(term) if isinstance(t, Apply) and t.function in OF_A_SIZE]
    return vectorised(term) and not any(names(t) & bound for t in inner)


def _over_elements(term: Term, factor: CheckedFactor, checker: ProgramChecker) -> Term:
    """A term at all elements, those of the outermost loop first; a constant is that of all."""
    if isinstance(term, Const):
        return term
    for name, over in reversed(factor.loops):
        term = _whole(_list(name, over, term), checker)
    return term


def _list(name: str, over: Term, body: Term) -> Term:
    """The values of a body at all elements: constants and parts of a vector without a loop."""
    match over:
        case Apply("range", (Const(int(start)), Const(int(stop)))):
            numbers = range(start, stop)
        case _:
            return over if body == Ref(name) else Apply("comprehension", (Const(name), over, body))
    match body:
        case Apply("index", (Const(tuple(values)), _)) if len(values) == len(numbers):
            return Const(values)
        case Apply("index", (Ref(vector), item)) if vector != name:
            shift = _shift(item, name)
            if shift is not None and start + shift >= 0:
                ends = Const(start + shift), Const(stop + shift)
                return Apply("index", (Ref(vector), _slice(*ends)))
        case _:
            shift = _shift(body, name)
            if shift is not None:
                return Const(tuple(n + shift for n in numbers))
    return Apply("comprehension", (Const(name), over, body))


def _shift(term: Term, name: str) -> int | None:
    """What is added to an element; None of other terms."""
    match term:
        case Ref(inner) if inner == name:
            return 0
        case Apply("+", (Ref(inner), Const(int(shift)))) if inner == name:
            return shift
        case Apply("-", (Ref(inner), Const(int(shift)))) if inner == name:
            return -shift
        case _:
            return None
