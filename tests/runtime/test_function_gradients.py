"""Functions on tensors against SciPy and NumPy, and their gradients against differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special
import torch
from torch import Tensor

from poedsl.compiler.functions.table import FUNCTIONS
from poedsl.runtime.terms.functions import TENSOR_FUNCTIONS

X = np.array([[0.3, -1.7, 2.5, 0.8], [1.1, 0.0, -0.4, 5.0]])
P = np.array([[0.01, 0.02, 0.5, 0.9], [0.3, 0.7, 0.99, 0.45]])
A = np.array([[[2.0, 1.0], [0.5, -3.0]], [[1.0, 2.0], [2.0, 4.0]]])
#: By function: its arguments, of which arrays are differentiated in and the rest are settings, and
#: the same function of NumPy or SciPy.
CASES: list[tuple[str, tuple[Any, ...], Callable[..., Any]]] = [
    ("mod", (X + 0.1, np.full_like(X, 0.7)), np.mod),
    ("mod", (X + 0.1, np.full_like(X, -0.7)), np.mod),
    ("erfinv", (2 * P - 1,), scipy.special.erfinv),
    ("normal_icdf", (P,), scipy.special.ndtri),
    ("cumprod", (X, 0), lambda x, axis: np.cumprod(x, axis + 1)),
    ("diff", (X, -1), lambda x, axis: np.diff(x, axis=axis)),
    ("det", (A,), np.linalg.det),
    ("median", (X,), lambda x: np.median(x, 1)),
    ("quantile", (X, np.array([0.2, 0.65])), lambda x, q: _by_row(x, q)),
    ("quantile", (A, np.array([0.2]), 0), lambda x, q, axis: np.quantile(x, q[0], axis + 1)),
]


def _by_row(x: np.ndarray, q: np.ndarray) -> np.ndarray:
    return np.array([np.quantile(row, order) for row, order in zip(x, q, strict=True)])


@pytest.mark.parametrize("name, arguments, reference", CASES)
def test_values_and_gradients(
    name: str, arguments: tuple[Any, ...], reference: Callable[..., Any]
) -> None:
    function = TENSOR_FUNCTIONS[name]
    arrays = [torch.tensor(a) for a in arguments if isinstance(a, np.ndarray)]
    settings = [a for a in arguments if not isinstance(a, np.ndarray)]
    found = function(*arrays, *settings)
    np.testing.assert_allclose(found.numpy(), reference(*arguments), rtol=1e-12, atol=1e-15)
    points = [a.requires_grad_() for a in arrays]
    assert torch.autograd.gradcheck(lambda *x: function(*x, *settings), points)


TAIL = 10.0 ** -np.arange(1, 16)


@pytest.mark.parametrize(
    "name, reference, points",
    [
        ("normal_icdf", scipy.special.ndtri, np.concatenate((1e-285 * TAIL, TAIL, 1 - TAIL))),
        ("erfinv", scipy.special.erfinv, np.concatenate((1e-285 * TAIL, TAIL, 1 - TAIL))),
    ],
)
def test_quantiles_far_out(name: str, reference: Callable[..., Any], points: np.ndarray) -> None:
    wanted = reference(points)
    of_tensors = TENSOR_FUNCTIONS[name](torch.tensor(points)).numpy()
    fold = FUNCTIONS[name].fold
    assert fold is not None
    np.testing.assert_allclose(of_tensors, wanted, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(fold(tuple(points.tolist())), wanted, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("name", ["erfinv", "normal_icdf"])
@pytest.mark.parametrize("value", [-0.1, 1.1])
def test_outside_of_a_domain_is_nan(name: str, value: float) -> None:
    value = value if name == "normal_icdf" else 2 * value - 1
    assert bool(TENSOR_FUNCTIONS[name](torch.tensor([value])).isnan())


def test_a_quantile_is_nan_for_particles_with_a_nan_or_an_order_outside() -> None:
    x = torch.tensor([[1.0, 2.0], [1.0, torch.nan], [1.0, 2.0]], requires_grad=True)
    found = TENSOR_FUNCTIONS["quantile"](x, torch.tensor([0.5, 0.5, 1.5]))
    assert found[0] == 1.5 and bool(found[1:].isnan().all())
    (gradient,) = torch.autograd.grad(found[0], x)
    assert gradient.tolist() == [[0.5, 0.5], [0, 0], [0, 0]]


@pytest.mark.parametrize(
    "matrix",
    [
        [[1, 2], [2, 4]],
        [[0, 0], [0, 0]],
        [[1, -1], [1, -1]],
        [[1, 2, 3], [2, 4, 6], [1, 0, 1]],
        [[1, 2, 3], [4, 5, 6], [7, 8, 9]],
    ],
)
def test_the_gradient_of_the_determinant_of_a_singular_matrix(matrix: list[list[float]]) -> None:
    a = torch.tensor([matrix], dtype=torch.float64, requires_grad=True)
    value = TENSOR_FUNCTIONS["det"](a)
    assert float(value.detach()) == pytest.approx(0, abs=1e-14)
    (gradient,) = torch.autograd.grad(value.sum(), a)
    torch.testing.assert_close(gradient[0], _cofactors(a.detach()[0]), rtol=1e-6, atol=1e-5)


def _cofactors(a: Tensor) -> Tensor:
    n = range(len(a))
    return torch.tensor(
        [
            [
                (-1) ** (i + j)
                * np.linalg.det(np.delete(np.delete(a.numpy(), i, axis=0), j, axis=1))
                for j in n
            ]
            for i in n
        ]
    )
