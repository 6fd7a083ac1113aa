"""Densities of `pyro.distributions`, by name."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from poedsl.catalog.discrete_densities import CATEGORIES
from poedsl.catalog.registry import SIGNATURES
from poedsl.experts.densities.densities_not_in_pyro import LOG_PROBS, distribution_not_in_pyro
from poedsl.experts.densities.discrete import DISCRETE
from poedsl.experts.protocol import Reward

#: Parameters that are matrices, for events that are vectors.
MATRICES = frozenset(
    p.name for s in SIGNATURES.values() for p in s.parameters if p.role == "matrix"
)
#: The tolerance for the sum of a vector on the simplex, and for the squares of a row of a Cholesky
#: factor of correlations.
SUMS_TO_ONE = 1e-3


def pyro_density(
    name: str, arguments: dict[str, Float[Tensor, "*shape"]], shape: tuple[int, ...]
) -> Reward:
    """Log p(x) of a density of Pyro's by name, summed over the components of a variable.

    It is computed in double precision, and returned in that of the points: constants of densities
    with large parameters are differences of large numbers.

    Args:
        arguments: of the distribution. shape: of the variable.
    """
    wide = {k: v.double() for k, v in broadcast(name, arguments, shape).items()}
    logarithm = log_prob_inside(name, wide)
    return lambda x: log_prob(name, wide, logarithm, x.double()).to(x.dtype)


def distribution(name: str, arguments: dict[str, Tensor]) -> Any:
    """A distribution by name: one of Pyro's, or one that it has not."""
    if (distribution_ := distribution_not_in_pyro(name, arguments)) is not None:
        return distribution_
    import pyro.distributions

    # Distributions that are made of others, such as LogNormal, let these validate.
    with pyro.distributions.validation_enabled(False):
        return getattr(pyro.distributions, name)(**arguments, validate_args=False)


def broadcast(name: str, arguments: dict[str, Tensor], shape: tuple[int, ...]) -> dict[str, Tensor]:
    """Parameters of a density expanded to the shape of the variable, except for matrices."""
    return {
        k: v if k in MATRICES else v.expand(shape[: len(shape) + min(trailing(name, k), 0)])
        for k, v in arguments.items()
    }


def trailing(name: str, parameter: str) -> int:
    """How many more sizes than the variable a parameter of a density has; below 0 fewer."""
    declared = SIGNATURES[name].parameter(parameter)
    return 0 if declared is None else declared.trailing


def proper_matrices(
    arguments: dict[str, Tensor],
) -> tuple[dict[str, Tensor], Bool[Tensor, "..."]]:
    """Parameters with the identity in place of matrices that are not positive definite, and where
    all matrices are.
    """
    proper = dict(arguments)
    device = next((argument.device for argument in arguments.values()), None)
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
    if name in DISCRETE:
        return partial(DISCRETE[name], **arguments)
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
    return log_probs(name, arguments, logarithm, x).reshape(len(x), -1).sum(-1)


def log_probs(
    name: str,
    arguments: dict[str, Tensor],
    logarithm: Callable[[Tensor], Tensor],
    x: Float[Tensor, "L *shape"],
) -> Float[Tensor, "L *events"]:
    """log p of each event, as `log_prob` sums them; points and parameters may have one row."""
    support = SIGNATURES[name].support
    if not support.constrained:
        return logarithm(x)
    inside, within = in_support(name, arguments, x)
    logs = logarithm(torch.where(inside, x, within))
    event_rank = SIGNATURES[name].event_rank
    if event_rank:
        inside = inside.flatten(-event_rank).all(-1)
    return torch.where(inside, logs, -math.inf)


def in_support(
    name: str,
    arguments: dict[str, Tensor],
    x: Float[Tensor, "L *shape"],
    *,
    strict: bool = False,
) -> tuple[Bool[Tensor, "L *shape"], Tensor | float]:
    """Which components are in the support of a density, and a point that is.

    Args:
        arguments: at least the parameters that are its ends; those missing are no bounds.
        strict: leave out ends at which the density may be zero or infinite.
    """
    support = SIGNATURES[name].support
    low, high = (_end(name, e, arguments) for e in (support.low, support.high))
    inside = torch.ones_like(x, dtype=torch.bool)
    within: Tensor | float = 0.0
    if low is not None:
        inside, within = inside & (x >= low), low if support.whole else low + 1
    if high is not None:
        inside = inside & (x <= high)
        within = high - 1 if low is None else low if support.whole else (low + high) / 2
    if strict and support.open:
        inside = inside & (x != low) & (x != high)
    if support.event == "corr_cholesky":
        unit = (x.square().sum(-1, keepdim=True) - 1).abs() < SUMS_TO_ONE
        lower = (x.triu(1) == 0).all(-1, keepdim=True) & (x.diagonal(dim1=-2, dim2=-1) > 0)[
            ..., None
        ]
        inside, within = inside & unit & lower, torch.eye(x.shape[-1]).to(x)
    if support.event == "simplex":
        inside = inside & ((x.sum(-1, keepdim=True) - 1).abs() < SUMS_TO_ONE)
    if support.whole and SIGNATURES[name].event_rank and high is not None:
        inside = inside & (x.sum(-1, keepdim=True) == high)
    return inside, within


def _end(name: str, end: float | str | None, arguments: dict[str, Tensor]) -> Tensor | float | None:
    """An end of a support; the last of a number of categories is one below that number."""
    if not isinstance(end, str):
        return end
    if end == CATEGORIES:
        return float(next(iter(arguments.values())).shape[-1] - 1) if arguments else None
    bound = arguments.get(end)
    if bound is None or trailing(name, end) >= 0:
        return bound
    return bound[(..., *(None,) * -trailing(name, end))]
