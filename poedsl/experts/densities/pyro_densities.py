"""Densities of `pyro.distributions`, by name."""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.catalog.registry import SIGNATURES
from poedsl.catalog.signatures import Support
from poedsl.experts.protocol import Reward

#: Parameters that are matrices, for events that are vectors.
MATRICES = frozenset(
    p.name for s in SIGNATURES.values() for p in s.parameters if p.role == "matrix"
)
#: The tolerance for the sum of the components of a vector on the simplex.
ON_THE_SIMPLEX = 1e-3


def pyro_density(
    name: str, arguments: dict[str, Float[Tensor, "*shape"]], shape: tuple[int, ...]
) -> Reward:
    """Log p(x) of a density of Pyro's by name, summed over the components of a variable.

    Args:
        arguments: of the distribution. shape: of the variable.
    """
    wide = broadcast(arguments, shape)
    density, support = distribution(name, wide), SIGNATURES[name].support
    return lambda x: log_prob(density, support, wide, x)


def distribution(name: str, arguments: dict[str, Tensor]) -> Any:
    """A distribution of Pyro's by name."""
    import pyro.distributions

    return getattr(pyro.distributions, name)(**arguments, validate_args=False)


def broadcast(arguments: dict[str, Tensor], shape: tuple[int, ...]) -> dict[str, Tensor]:
    """Parameters expanded to the shape of the variable, except for matrices."""
    return {k: v if k in MATRICES else v.expand(shape) for k, v in arguments.items()}


def log_prob(
    density: Any, support: Support, arguments: dict[str, Tensor], x: Float[Tensor, "L *shape"]
) -> Float[Tensor, " L"]:
    """log p(x) by a distribution of Pyro's, summed over events; -inf outside of its support."""
    if not support.constrained:
        logs: Tensor = density.log_prob(x)
        return logs.reshape(len(x), -1).sum(-1)
    low, high = (arguments[e] if isinstance(e, str) else e for e in (support.low, support.high))
    assert low is not None
    inside, within = x >= low, low + 1
    if high is not None:
        inside, within = inside & (x <= high), (low + high) / 2
    logs = density.log_prob(torch.where(inside, x, within))
    if support.simplex:
        inside = inside.all(-1) & ((x.sum(-1) - 1).abs() < ON_THE_SIMPLEX)
    return torch.where(inside, logs, -math.inf).reshape(len(x), -1).sum(-1)
