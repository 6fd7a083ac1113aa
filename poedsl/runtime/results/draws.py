"""Unweighted draws of weighted particles."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from poedsl.runtime.core.random_numbers import Noise
from poedsl.runtime.smc.resampling_schemes import FEW, along_kd_tree, systematic


def drawn(
    particles: Mapping[str, Shaped[Tensor, L * shape]],
    log_weights: Float[Tensor, " L"],
    n: int,
    seed: int,
) -> Int[Tensor, " n"]:
    """The slots of ``n`` draws by normalised weights, in random order. Copies are as
    even as can be, of each particle and, where components are few, of each region.
    """
    uniform = Noise(seed, 1, 1, torch.device("cpu")).shared(0, "sample")
    (order,) = torch.isfinite(log_weights).nonzero(as_tuple=True)
    few = [x for x in particles.values() if x[0].numel() <= FEW]
    if few:
        columns = [x.cpu()[order].reshape(len(order), -1).double() for x in few]
        order = order[along_kd_tree(torch.cat(columns, 1)[None])[0]]
    index = order[systematic(log_weights[order][None], uniform, n)[0]]
    return index[
        torch.randperm(n, generator=torch.Generator("cpu").manual_seed(seed), device="cpu")
    ]


def drawn_by_island(
    particles: Mapping[str, Shaped[Tensor, L * shape]],
    log_weights: Float[Tensor, " L"],
    islands: int,
) -> list[Int[Tensor, " n"]]:
    """The slots of draws of each island that has weight, as many as it has particles."""
    count = len(log_weights) // islands
    slots = torch.arange(len(log_weights), device="cpu") // count
    draws = []
    for island in range(int(slots[-1]) + 1):
        within = torch.where(slots == island, log_weights, -math.inf)
        if bool(torch.isfinite(within).any()):
            draws.append(drawn(particles, within.log_softmax(0), count, island))
    return draws
