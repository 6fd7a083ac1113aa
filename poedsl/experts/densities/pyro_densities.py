"""Densities of `pyro.distributions`, by name."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from poedsl.catalog.registry import SIGNATURES
from poedsl.experts.protocol import Reward

#: Parameters that are matrices, for events that are vectors.
MATRICES = frozenset(
    p.name for s in SIGNATURES.values() for p in s.parameters if p.role == "matrix"
)
#: The tolerance for the sum of the components of a vector on the simplex.
ON_THE_SIMPLEX = 1e-3


def _inverse_gamma(x: Tensor, concentration: Tensor, rate: Tensor) -> Tensor:
    constant = concentration * rate.log() - concentration.lgamma()
    return constant - (concentration + 1) * x.log() - rate / x


def _pareto(x: Tensor, scale: Tensor, alpha: Tensor) -> Tensor:
    return alpha.log() + alpha * scale.log() - (alpha + 1) * x.log()


#: Log densities that Pyro takes from powers of x, which overflow.
LOG_PROBS: dict[str, Callable[..., Tensor]] = {"InverseGamma": _inverse_gamma, "Pareto": _pareto}


def pyro_density(
    name: str, arguments: dict[str, Float[Tensor, "*shape"]], shape: tuple[int, ...]
) -> Reward:
    """Log p(x) of a density of Pyro's by name, summed over the components of a variable.

    It is computed in double precision, and returned in that of the points: constants of densities
    with large parameters are differences of large numbers.

    Args:
        arguments: of the distribution. shape: of the variable.
    """
    wide = {k: v.double() for k, v in broadcast(arguments, shape).items()}
    logarithm = log_prob_inside(name, wide)
    return lambda x: log_prob(name, wide, logarithm, x.double()).to(x.dtype)


def distribution(name: str, arguments: dict[str, Tensor]) -> Any:
    """A distribution of Pyro's by name."""
    import pyro.distributions

    return getattr(pyro.distributions, name)(**arguments, validate_args=False)


def broadcast(arguments: dict[str, Tensor], shape: tuple[int, ...]) -> dict[str, Tensor]:
    """Parameters expanded to the shape of the variable, except for matrices."""
    return {k: v if k in MATRICES else v.expand(shape) for k, v in arguments.items()}


def proper_matrices(
    arguments: dict[str, Tensor],
) -> tuple[dict[str, Tensor], Bool[Tensor, "..."]]:
    """Parameters with the identity in place of matrices that are not positive definite, and where
    all matrices are.
    """
    proper, device = dict(arguments), next(iter(arguments.values())).device
    valid = torch.ones((), dtype=torch.bool, device=device)
    for name in arguments.keys() & MATRICES:
        matrix = arguments[name]
        if name == "scale_tril":
            definite = (matrix.diagonal(dim1=-2, dim2=-1) > 0).all(-1)
        else:
            finite = matrix.detach().nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
            definite = torch.linalg.cholesky_ex(finite).info == 0
        definite = definite & matrix.isfinite().all(-1).all(-1)
        identity = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
        proper[name] = torch.where(definite[..., None, None], matrix, identity)
        valid = valid & definite
    return proper, valid


def log_prob_inside(name: str, arguments: dict[str, Tensor]) -> Callable[[Tensor], Tensor]:
    """log p inside of the support, by Pyro but where that overflows."""
    if name in LOG_PROBS:
        return partial(LOG_PROBS[name], **arguments)
    logarithm: Callable[[Tensor], Tensor] = distribution(name, arguments).log_prob
    return logarithm


def log_prob(
    name: str,
    arguments: dict[str, Tensor],
    logarithm: Callable[[Tensor], Tensor],
    x: Float[Tensor, "L *shape"],
) -> Float[Tensor, " L"]:
    """log p(x) of a density by name, summed over events; -inf outside of its support.

    Args:
        logarithm: what `log_prob_inside` gives for the same name and arguments.
    """
    support = SIGNATURES[name].support
    if not support.constrained:
        return logarithm(x).reshape(len(x), -1).sum(-1)
    low, high = (arguments[e] if isinstance(e, str) else e for e in (support.low, support.high))
    assert low is not None
    inside, within = x >= low, low + 1
    if high is not None:
        inside, within = inside & (x <= high), (low + high) / 2
    logs = logarithm(torch.where(inside, x, within))
    if support.simplex:
        inside = inside.all(-1) & ((x.sum(-1) - 1).abs() < ON_THE_SIMPLEX)
    return torch.where(inside, logs, -math.inf).reshape(len(x), -1).sum(-1)
