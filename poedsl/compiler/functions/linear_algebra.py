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
    if any(
        abs(a[i][j] - a[j][i]) > 1e-9 * (abs(a[i][j]) + abs(a[j][i]))
        for i in range(n)
        for j in range(i)
    ):
        return "is symmetric, and this matrix is not"
    return "" if cholesky(a) is not None else "is positive definite, and this matrix is not"
