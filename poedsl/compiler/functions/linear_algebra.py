"""The little linear algebra that checking needs, on constants."""

from __future__ import annotations

import math

from poedsl.compiler.functions.constants import shape
from poedsl.compiler.plan.terms import Value

Matrix = list[list[float]]


def matrix(value: Value) -> Matrix:
    assert isinstance(value, tuple)
    return [[float(x) for x in row] for row in value]  # type: ignore[union-attr, arg-type]


def cholesky(a: Matrix, scale: float | None = None) -> Matrix | None:
    """The lower factor L with L L' = a, or None where a is not positive definite.

    Args:
        scale: the size of the numbers that a was computed from; that of its diagonal by default.
    """
    n = len(a)
    lower = [[0.0] * n for _ in range(n)]
    if scale is None:
        scale = max((abs(a[i][i]) for i in range(n)), default=0.0)
    for i in range(n):
        for j in range(i + 1):
            rest = a[i][j] - sum(lower[i][k] * lower[j][k] for k in range(j))
            if i != j:
                lower[i][j] = rest / lower[j][j]
            elif rest <= 1e-12 * scale:
                return None
            else:
                lower[i][i] = math.sqrt(rest)
    return lower


def symmetric(a: Matrix) -> bool:
    """Whether a square matrix is symmetric but for rounding."""
    return all(
        abs(a[i][j] - a[j][i]) <= 1e-9 * (abs(a[i][j]) + abs(a[j][i]))
        for i in range(len(a))
        for j in range(i)
    )


def eliminated(a: Matrix, b: Matrix, rounding: float = 1e-15) -> tuple[Matrix, Matrix, int] | None:
    """``a`` as an upper triangle, ``b`` with the same operations on rows, and the sign of the row
    exchanges; None where ``a`` is singular. Gaussian elimination with partial pivoting.

    Args:
        rounding: up to this share of the largest entry, a pivot counts as zero.
    """
    a, b, sign = [row[:] for row in a], [row[:] for row in b], 1
    scale = max((abs(x) for row in a for x in row), default=0.0)
    for k in range(len(a)):
        pivot = max(range(k, len(a)), key=lambda i: abs(a[i][k]))
        if abs(a[pivot][k]) <= rounding * scale:
            return None
        if pivot != k:
            a[k], a[pivot], b[k], b[pivot] = a[pivot], a[k], b[pivot], b[k]
            sign = -sign
        for i in range(k + 1, len(a)):
            factor = a[i][k] / a[k][k]
            a[i] = [x - factor * y for x, y in zip(a[i], a[k], strict=True)]
            b[i] = [x - factor * y for x, y in zip(b[i], b[k], strict=True)]
    return a, b, sign


def solve(a: Matrix, b: Matrix) -> Matrix | None:
    """The x with a x = b; None where a is singular."""
    triangle = eliminated(a, b)
    if triangle is None:
        return None
    upper, x, _ = triangle
    for i in reversed(range(len(upper))):
        for j in range(i + 1, len(upper)):
            x[i] = [p - upper[i][j] * q for p, q in zip(x[i], x[j], strict=True)]
        x[i] = [p / upper[i][i] for p in x[i]]
    return x


def logdet(a: Matrix) -> float | None:
    """The logarithm of the determinant; None where that is not positive."""
    triangle = eliminated(a, [[] for _ in a])
    if triangle is None:
        return None
    upper, _, sign = triangle
    pivots = [upper[i][i] for i in range(len(upper))]
    positive = sign * math.prod(math.copysign(1, p) for p in pivots) > 0
    return math.fsum(math.log(abs(p)) for p in pivots) if positive else None


def det(a: Matrix) -> float:
    """The determinant."""
    triangle = eliminated(a, [[] for _ in a], rounding=0.0)
    if triangle is None:
        return 0.0
    upper, _, sign = triangle
    return sign * math.prod(upper[i][i] for i in range(len(upper)))


def inverse(a: Matrix) -> Matrix:
    """The inverse of a positive definite matrix."""
    lower = cholesky(a)
    assert lower is not None
    n = len(a)
    columns = []
    for k in range(n):
        y = [0.0] * n
        for i in range(n):
            y[i] = (float(i == k) - sum(lower[i][j] * y[j] for j in range(i))) / lower[i][i]
        x = [0.0] * n
        for i in reversed(range(n)):
            x[i] = (y[i] - sum(lower[j][i] * x[j] for j in range(i + 1, n))) / lower[i][i]
        columns.append(x)
    return [list(row) for row in zip(*columns, strict=True)]


def why_not(value: Value, name: str) -> str:
    """What keeps a constant from being the matrix its parameter wants; empty where nothing does."""
    sizes = shape(value)
    if len(sizes) != 2 or sizes[0] != sizes[1]:
        return "is a square matrix, and this is not one"
    a = matrix(value)
    n = len(a)
    if name == "scale_tril":
        triangular = all(a[i][j] == 0 for i in range(n) for j in range(i + 1, n))
        positive = all(a[i][i] > 0 for i in range(n))
        return (
            ""
            if triangular and positive
            else "is lower triangular with a positive diagonal, and this is not"
        )
    if not symmetric(a):
        return "is symmetric, and this matrix is not"
    return "" if cholesky(a) is not None else "is positive definite, and this matrix is not"
