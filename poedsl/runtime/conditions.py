"""How likely a condition is to hold at the end, from where a particle is now."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.compiler.terms import Term, names
from poedsl.runtime.evaluate import Environment, margins
from poedsl.runtime.space import Space

#: With more components than this a condition counts as a plane.
MOST = 8


def log_chance(
    term: Term,
    env: Environment,
    space: Space,
    point: Float[Tensor, "L D"],
    spread: Float[Tensor, " #D"],
) -> Float[Tensor, " L"]:
    """Log of the chance that a conjunction of inequalities holds at N(point, spread^2).

    Each margin m, positive where its inequality holds, counts as Phi(E m / sd m) by itself. Mean
    and variance are sums over the components of what three Gauss-Hermite nodes on each tell, exact
    for planes and for squares along the axes; of many components the slope at the point alone.

    Args:
        point: in the run's coordinates; the result is differentiable in it.
    """
    parts = [space.slice(name) for name in space.shapes if name in names(term)]
    places = [i for part in parts for i in range(part.start, part.stop)]
    if len(places) > MOST:
        return _by_slopes(term, env, space, point, spread)
    at = torch.tensor(places, device=point.device)
    nodes = point.new_zeros(2 * len(at) + 1, space.size)
    reach = math.sqrt(3) * spread.expand(space.size)[at]
    rows = torch.arange(len(at), device=point.device)
    nodes[1 + rows, at], nodes[1 + len(at) + rows, at] = reach, -reach
    points = (point[:, None] + nodes).flatten(0, 1)
    total = point.new_zeros(len(point))
    for margin in margins(term, env.with_values(space.values(points))) or []:
        found = margin.expand(len(points), *margin.shape[1:]).reshape(len(point), len(nodes), -1)
        middle, above, below = torch.split(found, [1, len(at), len(at)], 1)
        mean = (4 * middle + above + below) / 6
        variance = (
            4 * (middle - mean).square() + (above - mean).square() + (below - mean).square()
        ).sum(1) / 6
        expected = middle[:, 0] + (mean - middle).sum(1)
        total = total + torch.special.log_ndtr(expected / (variance + 1e-24).sqrt()).sum(-1)
    return total


def _by_slopes(
    term: Term,
    env: Environment,
    space: Space,
    point: Float[Tensor, "L D"],
    spread: Float[Tensor, " #D"],
) -> Float[Tensor, " L"]:
    total = point.new_zeros(len(point))
    with torch.enable_grad():
        followed = point if point.requires_grad else point.detach().requires_grad_()
        for margin in margins(term, env.with_values(space.values(followed))) or []:
            for one in margin.reshape(len(margin), -1).unbind(1):
                (slope,) = torch.autograd.grad(one.sum(), followed, retain_graph=True)
                width = (spread * slope).norm(dim=-1).clamp(min=1e-12)
                total = total + torch.special.log_ndtr(one / width)
    return total if point.requires_grad else total.detach()
