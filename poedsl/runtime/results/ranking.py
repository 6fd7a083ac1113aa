"""Which particles are the best."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.compiler.plan.plan import PlanSpec
from poedsl.runtime.terms.unrolled import base_name


def scores(
    plan: PlanSpec,
    exponents: Mapping[str, float],
    log_values: Mapping[str, Float[Tensor, " L"]],
    log_weights: Float[Tensor, " L"],
) -> Float[Tensor, " L"]:
    """The total reward of each particle; without rewards its log density under the target, else its
    weight; minus infinity for particles without weight.

    Args:
        log_values: of each factor that has one, at each particle.
    """
    rewards = [
        exponents[name] * values
        for name, values in log_values.items()
        if plan.factor(base_name(name)).kind == "reward"
    ]
    complete = log_values and log_values.keys() == exponents.keys()
    if rewards:
        score = torch.stack(rewards).sum(0)
    elif complete:
        weighted = [exponents[n] * v for n, v in log_values.items()]
        score = torch.stack(weighted).sum(0)
    else:
        score = log_weights
    dead = torch.isinf(log_weights)
    return torch.where(dead, -math.inf, score.to(log_weights))
