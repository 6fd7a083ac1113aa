"""Matrix algebra on tensors, which have a row for each particle (or one for all) in front.

What has no value, as the factor of a matrix that is not positive definite, is nan in its row, and
its gradients reach no other row.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

#: How far a matrix is from symmetric by rounding, as a share of its largest entry.
ASYMMETRY = {torch.float64: 1e-8, torch.float32: 1e-4}


def matrix_product(a: Tensor, b: Tensor) -> Tensor:
    """``a @ b`` of vectors and matrices; what all particles share is multiplied as one matrix."""
    kind = torch.promote_types(a.dtype, b.dtype)
    a, b = a.to(kind), b.to(kind)
    match a.dim() - 1, b.dim() - 1:
        case 1, 1:
            return (a * b).sum(-1)
        case 2, 1:
            return b @ a[0].mT if len(a) == 1 else (a @ b[..., None])[..., 0]
        case 1, 2:
            return a @ b[0] if len(b) == 1 else (a[:, None] @ b)[:, 0]
        case 2, 2:
            return a[0] @ b if len(a) == 1 else a @ (b[0] if len(b) == 1 else b)
        case ranks:
            raise ValueError(
                f"`@` is a product of vectors and matrices, and these have {ranks} sizes"
            )


def _where_proper(
    f: Callable[[Tensor], Tensor], a: Float[Tensor, "L n n"], proper: Bool[Tensor, " L"]
) -> Tensor:
    """A function of the matrices that it is defined for; nan for the others."""
    unit = torch.eye(a.shape[-1], dtype=a.dtype, device=a.device)
    out = f(torch.where(proper[:, None, None], a, unit))
    return torch.where(proper.view(-1, *(1,) * (out.dim() - 1)), out, torch.nan)


def cholesky(a: Float[Tensor, "L n n"]) -> Float[Tensor, "L n n"]:
    with torch.no_grad():
        largest = a.abs().amax((-2, -1))
        symmetric = (a - a.mT).abs().amax((-2, -1)) <= ASYMMETRY.get(a.dtype, 1e-2) * largest
        definite = torch.linalg.cholesky_ex(a).info == 0
    return _where_proper(torch.linalg.cholesky, a, symmetric & definite)


def _regular(a: Float[Tensor, "L n n"]) -> Bool[Tensor, " L"]:
    """Whether each matrix has an inverse."""
    with torch.no_grad():
        factors = torch.linalg.lu_factor_ex(a)
        finite: Tensor = factors.LU.isfinite().all(-1).all(-1)
        regular: Tensor = finite & (factors.info == 0)
        return regular


def solve(a: Float[Tensor, "#L n n"], b: Tensor) -> Tensor:
    """The x with a x = b, of a vector or a matrix b."""
    columns = b[..., None] if b.dim() == 2 else b
    if len(a) == 1:
        joined = columns.movedim(0, -1)
        flat = joined.reshape(joined.shape[0], -1)[None]
        flat = _where_proper(lambda m: torch.linalg.solve(m, flat), a, _regular(a))
        x = flat[0].view_as(joined).movedim(-1, 0)
    else:
        x = _where_proper(lambda m: torch.linalg.solve(m, columns), a, _regular(a))
    return x[..., 0] if b.dim() == 2 else x


def inverse(a: Float[Tensor, "L n n"]) -> Float[Tensor, "L n n"]:
    return _where_proper(torch.linalg.inv, a, _regular(a))


def det(a: Float[Tensor, "L n n"]) -> Float[Tensor, " L"]:
    """The determinant. The gradient of `torch.linalg.det` is zero at a matrix without an inverse,
    so that there it is taken next to the matrix, at a distance of the root of the rounding.
    """
    with torch.no_grad():
        largest = a.abs().amax((-2, -1))
        distance = math.sqrt(torch.finfo(a.dtype).eps) * torch.where(largest > 0, largest, 1.0)
        distance = torch.where(torch.linalg.det(a) == 0, distance, 0.0)
        diagonal = torch.linspace(1, 2, a.shape[-1], dtype=a.dtype, device=a.device).diag()
    value: Tensor = torch.linalg.det(a + distance[:, None, None] * diagonal)
    return value - torch.where(distance > 0, value.detach(), 0.0)


def logdet(a: Float[Tensor, "L n n"]) -> Float[Tensor, " L"]:
    with torch.no_grad():
        positive = torch.linalg.slogdet(a).sign > 0
    return _where_proper(lambda m: torch.linalg.slogdet(m).logabsdet, a, positive)


def transpose(a: Float[Tensor, "L m n"]) -> Float[Tensor, "L n m"]:
    return a.mT


def diag(x: Tensor) -> Tensor:
    """The matrix with a vector on its diagonal, or the diagonal of a matrix."""
    return torch.diag_embed(x) if x.dim() == 2 else x.diagonal(dim1=-2, dim2=-1)


def outer(x: Float[Tensor, "#L m"], y: Float[Tensor, "#L n"]) -> Float[Tensor, "L m n"]:
    return x[:, :, None] * y[:, None, :]
