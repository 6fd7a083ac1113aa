"""Matrix algebra: products, factors, solutions of linear systems, and matrices from vectors."""

from __future__ import annotations

import math

from poedsl.compiler.functions import linear_algebra
from poedsl.compiler.functions.constants import flatten, shape
from poedsl.compiler.functions.function import (
    ArgumentError,
    ArgumentType,
    Deferred,
    Function,
    FunctionParameter,
    parameters,
)
from poedsl.compiler.functions.linear_algebra import Matrix
from poedsl.compiler.functions.result_types import limited, number_type
from poedsl.compiler.plan.terms import Value
from poedsl.grammar.types import NONE, Sizes, Type

#: The most multiplications of one constant; beyond them the run computes it.
MOST_WORK = 1_000_000


def product_sizes(a: Sizes, b: Sizes) -> Sizes | None:
    """The sizes of ``a @ b``, of vectors and matrices; None where they do not fit."""
    if not (1 <= len(a) <= 2 and 1 <= len(b) <= 2):
        return None
    inner, other = a[-1], b[0]
    if inner is not None and other is not None and inner != other:
        return None
    return (*a[:-1], *b[1:])


def matrix_product(a: Value, b: Value) -> Value:
    """``a @ b`` of constants whose sizes fit."""
    work = math.prod(s or 1 for s in (*shape(a), *shape(b)[1:]))
    if work > MOST_WORK:
        raise Deferred
    rows, columns = _rows(a), list(zip(*_rows(b), strict=True))
    if len(shape(b)) == 1:
        columns = [tuple(flatten(b))]
    entries = tuple(
        tuple(sum(x * y for x, y in zip(row, column, strict=True)) for column in columns)
        for row in rows
    )
    out: Value = tuple(row[0] for row in entries) if len(shape(b)) == 1 else entries
    assert isinstance(out, tuple)
    return out[0] if len(shape(a)) == 1 else out


def _rows(value: Value) -> list[list[float]]:
    return linear_algebra.matrix(value if len(shape(value)) == 2 else (value,))


def _entries(a: Matrix) -> Value:
    return tuple(tuple(row) for row in a)


def _within_work(value: Value) -> Matrix:
    """A square matrix that is small enough to compute with."""
    if len(shape(value)) and (shape(value)[0] or 0) ** 3 > MOST_WORK:
        raise Deferred
    return linear_algebra.matrix(value)


def _square(x: ArgumentType) -> int | None:
    """The size of a square matrix."""
    sizes = x.type.sizes
    if len(sizes) != 2 or (None not in sizes and sizes[0] != sizes[1]):
        raise ArgumentError(f"its argument is a square matrix, and this is {x.type}", "P0303")
    return sizes[1] if sizes[0] is None else sizes[0]


def _square_type(x: ArgumentType) -> Type:
    n = _square(x)
    return Type("Real", (n, n))


def _number_type(x: ArgumentType) -> Type:
    _square(x)
    return Type("Real")


def _solve_type(a: ArgumentType, b: ArgumentType) -> Type:
    n, sizes = _square(a), b.type.sizes
    if not 1 <= len(sizes) <= 2 or (None not in (n, sizes[0]) and n != sizes[0]):
        raise ArgumentError(
            f"its arguments are a square matrix and a vector or a matrix with as many rows, and "
            f"these are {a.type} and {b.type}",
            "P0303",
        )
    return Type("Real", (n if sizes[0] is None else sizes[0], *sizes[1:]))


def _transpose_type(x: ArgumentType) -> Type:
    if len(x.type.sizes) != 2:
        raise ArgumentError(f"its argument is a matrix, and this is {x.type}", "P0303")
    return Type(number_type((x,)), x.type.sizes[::-1])


def _diag_type(x: ArgumentType) -> Type:
    if len(x.type.sizes) == 1:
        return Type(number_type((x,)), x.type.sizes * 2)
    if len(x.type.sizes) == 2:
        return Type(number_type((x,)), (_square(x),))
    raise ArgumentError(
        f"its argument is a vector or a square matrix, and this is {x.type}", "P0303"
    )


def _outer_type(x: ArgumentType, y: ArgumentType) -> Type:
    if len(x.type.sizes) != 1 or len(y.type.sizes) != 1:
        raise ArgumentError(
            f"its arguments are two vectors, and these are {x.type} and {y.type}", "P0303"
        )
    return Type(number_type((x, y)), (*x.type.sizes, *y.type.sizes))


def _filled_type(rows: ArgumentType, columns: ArgumentType | None = None) -> Type:
    counts = [rows] if columns is None or columns.type == NONE else [rows, columns]
    sizes = [c.value for c in counts if isinstance(c.value, int)]
    if min(sizes, default=1) < 1:
        raise ArgumentError(f"a size is at least 1, and this is {min(sizes)}", "P0309")
    limited(math.prod(sizes))
    return Type("Int", tuple(c.value if isinstance(c.value, int) else None for c in counts))


def _identity_type(size: ArgumentType) -> Type:
    return _filled_type(size, size)


def _cholesky(x: Value) -> Value:
    a = _within_work(x)
    lower = linear_algebra.cholesky(a) if linear_algebra.symmetric(a) else None
    if lower is None:
        raise ArgumentError("its argument is not symmetric and positive definite")
    return _entries(lower)


def _solve(a: Value, b: Value) -> Value:
    columns = b if len(shape(b)) == 2 else tuple((x,) for x in flatten(b))
    solved = linear_algebra.solve(_within_work(a), linear_algebra.matrix(columns))
    if solved is None:
        raise ArgumentError("its matrix is singular")
    return _entries(solved) if len(shape(b)) == 2 else tuple(row[0] for row in solved)


def _inverse(x: Value) -> Value:
    return _solve(x, _identity(len(_within_work(x))))


def _logdet(x: Value) -> Value:
    logarithm = linear_algebra.logdet(_within_work(x))
    if logarithm is None:
        raise ArgumentError("its determinant is not positive")
    return logarithm


def _det(x: Value) -> Value:
    return linear_algebra.det(_within_work(x))


def _transpose(x: Value) -> Value:
    return tuple(zip(*(row for row in _tuple(x) if isinstance(row, tuple)), strict=True))


def _diag(x: Value) -> Value:
    if len(shape(x)) == 2:
        return tuple(_tuple(row)[i] for i, row in enumerate(_tuple(x)))
    numbers = flatten(x)
    limited(len(numbers) ** 2)
    return tuple(
        tuple(v if i == j else 0 for j in range(len(numbers))) for i, v in enumerate(numbers)
    )


def _outer(x: Value, y: Value) -> Value:
    return tuple(tuple(a * b for b in flatten(y)) for a in flatten(x))


def _identity(size: Value) -> Value:
    assert isinstance(size, int)
    return tuple(tuple(int(i == j) for j in range(size)) for i in range(size))


def _filled(number: int, rows: Value, columns: Value = None) -> Value:
    assert isinstance(rows, int)
    row: Value = (number,) * columns if isinstance(columns, int) else number
    return (row,) * rows


def _tuple(value: Value) -> tuple[Value, ...]:
    assert isinstance(value, tuple)
    return value


_A = parameters("a")
_SIZES = (
    FunctionParameter("rows", "count"),
    FunctionParameter("columns", "count", default=None),
)


MATRICES = (
    Function(
        "transpose",
        _A,
        _transpose_type,
        "a matrix with rows and columns exchanged, also written `a.T`",
        "transpose([[1, 2, 3], [4, 5, 6]])",
        _transpose,
    ),
    Function(
        "cholesky",
        _A,
        _square_type,
        "the lower triangular l with `l @ l.T` equal to a positive definite matrix",
        "cholesky([[2, 1], [1, 2]])",
        _cholesky,
        has_atoms=True,
    ),
    Function(
        "solve",
        parameters("a", "b"),
        _solve_type,
        "the x with `a @ x` equal to b, which is a vector or a matrix",
        "solve([[2, 1], [1, 2]], [1, 0])",
        _solve,
    ),
    Function(
        "inverse",
        _A,
        _square_type,
        "inverse of a matrix",
        "inverse([[2, 1], [1, 2]])",
        _inverse,
    ),
    Function(
        "det",
        _A,
        _number_type,
        "determinant",
        "det([[2, 1], [1, 2]])",
        _det,
    ),
    Function(
        "logdet",
        _A,
        _number_type,
        "logarithm of the determinant, where that is positive",
        "logdet([[2, 1], [1, 2]])",
        _logdet,
    ),
    Function(
        "diag",
        parameters("x"),
        _diag_type,
        "the matrix with a vector on its diagonal, or the diagonal of a matrix",
        "diag([1, 2])",
        _diag,
        has_atoms=True,
    ),
    Function(
        "outer",
        parameters("x", "y"),
        _outer_type,
        "the matrix of the products of the components of two vectors",
        "outer([1, 2], [3, 4, 5])",
        _outer,
    ),
    Function(
        "identity",
        parameters("size", takes="count"),
        _identity_type,
        "the identity matrix",
        "identity(3)",
        _identity,
    ),
    Function(
        "zeros",
        _SIZES,
        _filled_type,
        "a vector or a matrix of zeros",
        "zeros(3)",
        lambda rows, columns=None: _filled(0, rows, columns),
    ),
    Function(
        "ones",
        _SIZES,
        _filled_type,
        "a vector or a matrix of ones",
        "ones(2, columns = 3)",
        lambda rows, columns=None: _filled(1, rows, columns),
    ),
)
