"""Pass 4, integrability: a product of Gaussians is a density only where its precision is positive.

Soiffer et al., Theorem 1: prod_i N(mu_i, Sigma_i)^(w_i) is integrable iff sum_i w_i Sigma_i^-1 > 0. A mixture falls
off along a direction as its widest component does, so a direction along which the sum is not
positive refutes a product with mixtures.
"""

from __future__ import annotations

from itertools import combinations

from poedsl.compiler import linear
from poedsl.compiler.functions import flatten, shape
from poedsl.compiler.lower import Lowered
from poedsl.compiler.plan import FactorSpec, VariableSpec
from poedsl.compiler.terms import Apply, Const, Term, Value
from poedsl.grammar.diagnostics import Diagnostic, Label

#: A diagonal as a vector, or a full matrix.
Precision = list[float] | linear.Matrix
#: Above this many components a full matrix is left to the run.
LIMIT = 64


def integrable(lowered: Lowered) -> tuple[Diagnostic, ...]:
    return tuple(d for v in lowered.variables for d in _variable(v, lowered))


def _variable(variable: VariableSpec, lowered: Lowered) -> list[Diagnostic]:
    factors = [f for f in lowered.factors if variable.name in f.variables]
    if any(f.kind != "gaussian" for f in factors) or variable.type.count is None:
        return []
    weighted = [(f, _exponent(f), _precisions(f.term, variable)) for f in factors]
    if any(w is None or p is None for _, w, p in weighted):
        return []
    known = [(f, w, p) for f, w, p in weighted if w is not None and p is not None]
    if all(w > 0 for _, w, _ in known):
        return []
    if _positive(known, variable.type.count):
        return []
    negative = [f for f, w, _ in known if w < 0]
    first = lowered.spans[negative[0].name]
    labels = tuple(Label(lowered.spans[f.name], "divides too") for f in negative[1:])
    return [
        Diagnostic(
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
    ]


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
    arguments = {k: v.value for k, v in term.kwargs if isinstance(v, Const)}
    if len(arguments) < len(term.kwargs):
        return None
    if term.function == "Normal":
        return [_diagonal(arguments["scale"], variable.type.sizes)]
    name, value = next((k, v) for k, v in arguments.items() if k != "loc")
    return _full(name, value)


def _diagonal(scale: Value, sizes: tuple[int | None, ...]) -> list[float]:
    from poedsl.compiler.functions import elementwise

    total = 1
    for size in sizes:
        total *= size or 1
    rank = shape(scale)
    if rank == sizes or not rank:
        numbers = flatten(scale) * (total if not rank else 1)
        return [1 / float(s) ** 2 for s in numbers]
    ones: Value = 0
    for size in reversed(sizes):
        ones = (ones,) * (size or 1)
    return [1 / float(s) ** 2 for s in flatten(elementwise(lambda a, b: a + b, scale, ones))]


def _full(name: str, value: Value) -> list[Precision] | None:
    if shape(value)[0] is None or shape(value)[0] > LIMIT:  # type: ignore[operator]
        return None
    a = linear.matrix(value)
    if name == "precision_matrix":
        return [a]
    if name == "scale_tril":
        n = range(len(a))
        a = [[sum(a[i][k] * a[j][k] for k in n) for j in n] for i in n]
    return [linear.inverse(a)]


def _positive(factors: list[tuple[FactorSpec, float, list[Precision]]], count: int) -> bool:
    single = all(len(p) == 1 for _, _, p in factors)
    if all(isinstance(q[0], float) for _, _, p in factors for q in p) and single:
        sums = [sum(w * p[0][i] for _, w, p in factors) for i in range(count)]  # type: ignore[misc]
        return all(s > 1e-12 * max(abs(x) for x in sums) for s in sums)
    if count > LIMIT:
        return True
    if single:
        total = [
            [sum(w * _entry(p[0], i, j) for _, w, p in factors) for j in range(count)]
            for i in range(count)
        ]
        return linear.cholesky(total) is not None
    return all(
        sum(w * min(_along(q, u) for q in p) for _, w, p in factors) > 0 for u in _directions(count)
    )


def _entry(precision: Precision, i: int, j: int) -> float:
    row = precision[i]
    if isinstance(row, float):
        return row if i == j else 0.0
    return row[j]


def _along(precision: Precision, direction: dict[int, float]) -> float:
    return sum(
        a * b * _entry(precision, i, j) for i, a in direction.items() for j, b in direction.items()
    )


def _directions(count: int) -> list[dict[int, float]]:
    axes = [{i: 1.0} for i in range(count)]
    pairs = [{i: 1.0, j: s} for i, j in combinations(range(min(count, 16)), 2) for s in (1.0, -1.0)]
    return axes + pairs
