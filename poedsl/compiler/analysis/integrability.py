"""Pass 5, integrability: a product of Gaussians is a density only where its precision is positive.

Soiffer et al., Theorem 1: prod_i N(mu_i, Sigma_i)^(w_i) is integrable iff sum_i w_i Sigma_i^-1 > 0.
A mixture falls off along a direction as its widest component does, so a direction along which the
sum is not positive refutes a product with mixtures.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations, product

from poedsl.catalog.registry import SIGNATURES
from poedsl.compiler.analysis.regions import extent, unseen
from poedsl.compiler.functions import linear_algebra
from poedsl.compiler.functions.constants import elementwise, flatten, shape
from poedsl.compiler.plan.lowered import Lowered
from poedsl.compiler.plan.plan_parts import FactorSpec, VariableSpec
from poedsl.compiler.plan.terms import Apply, Const, Term, Value, walk
from poedsl.grammar.diagnostics import Diagnostic, Label
from poedsl.grammar.source import Span
from poedsl.grammar.types import Type

#: A diagonal as a vector, or a full matrix.
Precision = list[float] | linear_algebra.Matrix
Direction = dict[int, float]
#: Above this many components a full matrix is left to the run.
LIMIT = 64
#: Above this many components parts are left to the run.
MOST_OF_PARTS = 4096
#: Sums smaller than this share of their terms are rounding.
ROUNDING = 1e-12


def integrable(lowered: Lowered) -> dict[str, Diagnostic]:
    """What is wrong with the variables whose product is no density."""
    of = lowered.by_variable()
    diagnostics = {v.name: _variable(v, of[v.name], lowered.spans) for v in lowered.complete}
    return {name: diagnostic for name, diagnostic in diagnostics.items() if diagnostic is not None}


def _variable(
    variable: VariableSpec, factors: list[FactorSpec], spans: dict[str, Span]
) -> Diagnostic | None:
    if factors and all(isinstance(f.term, Apply) and f.term.function == "Flat" for f in factors):
        return _improper(variable, spans[factors[0].name])
    if any(f.kind != "gaussian" for f in factors) or variable.type.count is None:
        return None
    if any(f.mask or f.loops for f in factors):
        return None
    weighted = [(f, _exponent(f)) for f in factors]
    exponents = [w for _, w in weighted if w is not None]
    if len(exponents) < len(weighted) or all(w > 0 for w in exponents):
        return None
    if any(f.part is not None for f in factors):
        every_precision = _of_parts(factors, variable)
    else:
        if all(_uniform(f.term) for f in factors):
            variable = replace(variable, type=Type(variable.type.name))
        every_precision = [_precisions(f.term, variable) for f in factors]
    precisions = [p for p in every_precision if p is not None]
    if len(precisions) < len(every_precision) or _positive(
        exponents, precisions, variable.type.sizes
    ):
        return None
    negative = [f for f, w in weighted if w is not None and w < 0]
    first = spans[negative[0].name]
    labels = tuple(Label(spans[f.name], "divides too") for f in negative[1:])
    return Diagnostic(
        "P0404",
        f"the product over `{variable.name}` is not a density: it cannot be integrated",
        first,
        here="too narrow for what it divides",
        labels=labels,
        notes=(
            "a product of Gaussians is a density only where the sum of exponent times inverse "
            "covariance is positive definite (Soiffer et al., Theorem 1)",
        ),
    )


def _improper(variable: VariableSpec, span: Span) -> Diagnostic:
    """A product of nothing but `Flat()`."""
    return Diagnostic(
        "P0404",
        f"the product over `{variable.name}` is not a density: it cannot be integrated",
        span,
        here="one everywhere",
        notes=("other factors, such as a likelihood, have to fall off in every direction",),
    )


def _of_parts(factors: list[FactorSpec], variable: VariableSpec) -> list[list[Precision] | None]:
    """Precisions of parts over the whole, zero where a part does not reach.

    Nothing is known of parts that are not, of very many components, and where some have no expert.
    """
    sizes = tuple(s for s in variable.type.sizes if s is not None)
    count = math.prod(sizes)
    extents = [extent(f.part, sizes) for f in factors]
    constant_extents = [e for e in extents if e is not None]
    if (
        len(constant_extents) < len(extents)
        or count > MOST_OF_PARTS
        or unseen(constant_extents, sizes) is not None
    ):
        return [None]
    places = {at: i for i, at in enumerate(product(*map(range, sizes)))}
    out: list[list[Precision] | None] = []
    for f, ends in zip(factors, constant_extents, strict=True):
        sides = [range(int(a), int(b)) for a, b in ends]
        cells = [places[at] for at in product(*sides)]
        items = f.part.args[1:] if isinstance(f.part, Apply) else ()
        chosen = [isinstance(i, Const) for i in items] + [False] * (len(sides) - len(items))
        part_sizes = tuple(
            len(s) for s, is_index in zip(sides, chosen, strict=False) if not is_index
        )
        part_precisions = _precisions(f.term, replace(variable, type=Type("Real", part_sizes)))
        matrices = part_precisions is not None and not all(map(_is_diagonal, part_precisions))
        if part_precisions is None or (matrices and count > LIMIT):
            return [None]
        out.append([_embedded(p, cells, count) for p in part_precisions])
    return out


def _embedded(precision: Precision, cells: list[int], count: int) -> Precision:
    """A part's precision over the whole."""
    if _is_diagonal(precision):
        diagonal = dict(zip(cells, map(_number, precision), strict=True))
        return [diagonal.get(i, 0.0) for i in range(count)]
    full = [[0.0] * count for _ in range(count)]
    for i, row in enumerate(cells):
        for j, column in enumerate(cells):
            full[row][column] = _entry(precision, i, j)
    return full


def _uniform(term: Term) -> bool:
    """Whether every scale is one number, so that one component speaks for all."""
    return all(
        t.function in ("Normal", "mixture")
        and all(k != "scale" or (isinstance(v, Const) and not shape(v.value)) for k, v in t.kwargs)
        for t in walk(term)
        if isinstance(t, Apply) and t.function in SIGNATURES
    )


def _exponent(factor: FactorSpec) -> float | None:
    value = factor.exponent.value if isinstance(factor.exponent, Const) else None
    return float(value) if isinstance(value, (int, float)) else None


def _precisions(term: Term, variable: VariableSpec) -> list[Precision] | None:
    """The precision of a Gaussian, or of each component of a mixture; None where not constant."""
    assert isinstance(term, Apply)
    if term.function == "mixture":
        parts = [_precisions(part, variable) for part in term.args[1::2]]
        if any(p is None for p in parts):
            return None
        return [p for part in parts if part is not None for p in part]
    name, spread = next((k, v) for k, v in term.kwargs if k != "loc")
    if not isinstance(spread, Const):
        return None
    if term.function == "Normal":
        return [_diagonal(spread.value, variable.type.sizes)]
    return _full(name, spread.value)


def _diagonal(scale: Value, sizes: tuple[int | None, ...]) -> list[float]:
    total = 1
    for size in sizes:
        total *= size or 1
    rank = shape(scale)
    if rank == sizes or not rank:
        numbers = flatten(scale) * (total if not rank else 1)
        return [_inverse_square(s) for s in numbers]
    ones: Value = 0
    for size in reversed(sizes):
        ones = (ones,) * (size or 1)
    return [_inverse_square(s) for s in flatten(elementwise(lambda a, b: a + b, scale, ones))]


def _inverse_square(scale: float) -> float:
    """1 / scale^2, within what a float can hold."""
    inverse = min(max(1 / scale, 1e-150), 1e150)
    return inverse * inverse


def _full(name: str, value: Value) -> list[Precision] | None:
    assert isinstance(value, tuple)
    if len(value) > LIMIT:
        return None
    a = linear_algebra.matrix(value)
    if name == "precision_matrix":
        return [a]
    if name == "scale_tril":
        n = range(len(a))
        a = [[sum(a[i][k] * a[j][k] for k in n) for j in n] for i in n]
    return [linear_algebra.inverse(a)]


def _positive(
    exponents: list[float], precisions: list[list[Precision]], sizes: tuple[int | None, ...]
) -> bool:
    """Whether the sum of exponent times precision is positive, as far as that can be seen.

    Sums that are zero but for rounding are not positive.
    """
    count = Type("Real", sizes).count or 1
    pairs = list(zip(exponents, precisions, strict=True))
    single = all(len(p) == 1 for p in precisions)
    if single and all(_is_diagonal(p[0]) for p in precisions):
        columns = zip(*(p[0] for p in precisions), strict=True)
        weighted = ([w * _number(q) for w, q in zip(exponents, c, strict=True)] for c in columns)
        return all(sum(c) > ROUNDING * sum(map(abs, c)) for c in weighted)
    if count > LIMIT:
        return True
    if single:
        entries = range(count)
        total = [[sum(w * _entry(p[0], i, j) for w, p in pairs) for j in entries] for i in entries]
        largest = max(sum(abs(w) * _entry(p[0], i, i) for w, p in pairs) for i in entries)
        return linear_algebra.cholesky(total, largest) is not None
    return all(_falls(pairs, u) for u in _directions(count))


def _falls(pairs: list[tuple[float, list[Precision]]], direction: Direction) -> bool:
    """Whether the product falls off along a direction: each mixture as its widest component."""
    terms = [w * min(_along(q, direction) for q in p) for w, p in pairs]
    return sum(terms) > ROUNDING * sum(map(abs, terms))


def _is_diagonal(precision: Precision) -> bool:
    return not isinstance(precision[0], list)


def _number(entry: float | list[float]) -> float:
    assert not isinstance(entry, list)
    return entry


def _entry(precision: Precision, i: int, j: int) -> float:
    """An entry; a matrix repeats along the diagonal, once for each event."""
    n = len(precision)
    row = precision[i % n]
    if not isinstance(row, list):
        return row if i == j else 0.0
    return row[j % n] if i // n == j // n else 0.0


def _along(precision: Precision, direction: Direction) -> float:
    return sum(
        a * b * _entry(precision, i, j) for i, a in direction.items() for j, b in direction.items()
    )


def _directions(count: int) -> list[Direction]:
    axes: list[Direction] = [{i: 1.0} for i in range(count)]
    pairs: list[Direction] = [
        {i: 1.0, j: s} for i, j in combinations(range(min(count, 16)), 2) for s in (1.0, -1.0)
    ]
    return axes + pairs
