"""Where a part of a value stands in it."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Int
from torch import Tensor

from poedsl.compiler.plan.terms import Term
from poedsl.runtime.terms.evaluate import Environment, evaluate


def positions(
    part: Term, name: str, shape: tuple[int, ...], env: Environment
) -> Int[Tensor, " *part"]:
    """The numbers of the components that a part has, in the flattened value of that shape.

    Args:
        part: the value by its name, or ``index`` of it; indices may come with data and repeat.
    """
    count = torch.Size(shape).numel()
    numbers = torch.arange(count, dtype=torch.float64, device=env.device).view(1, *shape)
    exact = replace(env, dtype=torch.float64)
    return evaluate(part, exact.with_values({name: numbers}))[0].long()
