"""Relaxed constraints: the estimated probability that a condition will hold at the end of the
path.
"""

from __future__ import annotations

import math
from functools import cache
from itertools import combinations, product

import torch
from jaxtyping import Float, Int
from torch import Tensor

from poedsl.compiler.plan.terms import Term
from poedsl.runtime.space.coordinates import Space
from poedsl.runtime.terms.evaluate import Environment, margins

#: With more components than this a condition counts as a plane.
MOST = 4


def deciding(term: Term, env: Environment, space: Space) -> Int[Tensor, " d"]:
    """The components that a condition reads, by the slope of a random mixture of its margins at a
    few points; of more than ``MOST`` those that its first margins read.
    """
    generator = torch.Generator("cpu").manual_seed(0)
    points = torch.randn(8, space.size, generator=generator, dtype=torch.float32, device="cpu").to(
        space.loc
    )
    with torch.enable_grad():
        points.requires_grad_()
        margins = _margins(term, env, space, points)
        mixed = torch.rand(margins.shape[1], generator=generator, dtype=torch.float32, device="cpu")
        (slope,) = torch.autograd.grad(
            (margins * mixed.to(margins)).sum(), points, retain_graph=True
        )
        depends = slope.ne(0).any(0)
        if int(depends.sum()) <= MOST:
            return depends.nonzero().flatten()
        depends = torch.zeros_like(depends)
        for margin in margins.unbind(1):
            (slope,) = torch.autograd.grad(margin.sum(), points, retain_graph=True)
            depends |= slope.ne(0).any(0)
            if int(depends.sum()) > MOST:
                break
    return depends.nonzero().flatten()


def log_chance(
    term: Term,
    env: Environment,
    space: Space,
    places: Int[Tensor, " d"],
    point: Float[Tensor, "L D"],
    spread: Float[Tensor, " #D"],
) -> Float[Tensor, " L"]:
    """Log of the chance that a conjunction of inequalities holds at N(point, spread^2).

    Each margin m, positive where its inequality holds, counts as Phi(E m / sd m) by itself. Mean
    and variance are by a cubature of fifth degree over the components that matter: exact where
    m is quadratic. Of many components m is taken for a plane, its slope being that at the point.

    Args:
        places: what `deciding` says.
        point: in the run's coordinates; the result is differentiable in it.
    """
    if len(places) > MOST:
        return _of_planes(term, env, space, point, spread)
    nodes, weights = _cubature(len(places))
    steps = point.new_zeros(len(nodes), space.size)
    steps[:, places] = nodes.to(point) * spread.expand(space.size)[places]
    near = _margins(term, env, space, (point[:, None] + steps).flatten(0, 1))
    near = near.view(len(point), len(nodes), -1)
    share = weights.to(point)[:, None]
    mean = (share * near).sum(1)
    variance = (share * (near - mean[:, None]).square()).sum(1)
    return _log_share(mean, (variance + 1e-24).sqrt()).sum(-1)


def _of_planes(
    term: Term,
    env: Environment,
    space: Space,
    point: Float[Tensor, "L D"],
    spread: Float[Tensor, " #D"],
) -> Float[Tensor, " L"]:
    total = point.new_zeros(len(point))
    with torch.enable_grad():
        at = point if point.requires_grad else point.detach().requires_grad_()
        for margin in _margins(term, env, space, at).unbind(1):
            (slope,) = torch.autograd.grad(margin.sum(), at, retain_graph=True)
            total = total + _log_share(margin, (spread * slope).norm(dim=-1))
    return total if point.requires_grad else total.detach()


def _margins(
    term: Term, env: Environment, space: Space, points: Float[Tensor, "L D"]
) -> Float[Tensor, "L m"]:
    """All margins of a condition, side by side."""
    inequalities = margins(term, env.with_values(space.values(points)))
    assert inequalities is not None
    rows = [m.expand(len(points), *m.shape[1:]).reshape(len(points), -1) for m in inequalities]
    return torch.cat(rows, 1) + 0 * points.sum(1, keepdim=True)


def _log_share(mean: Float[Tensor, "*n"], width: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    chance: Tensor = torch.special.log_ndtr(mean / width.clamp(min=1e-12))
    return chance


@cache
def _cubature(size: int) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
    """Nodes and weights for N(0, I), exact to the fifth degree (McNamee and Stenger 1967)."""
    reach = math.sqrt(3)
    nodes, weights = [[0.0] * size], [1 + (size**2 - 7 * size) / 18]
    for places in [*combinations(range(size), 1), *combinations(range(size), 2)]:
        for signs in product((-reach, reach), repeat=len(places)):
            at = dict(zip(places, signs, strict=True))
            nodes.append([at.get(i, 0.0) for i in range(size)])
            weights.append((4 - size) / 18 if len(places) == 1 else 1 / 36)
    points = torch.tensor(nodes, dtype=torch.float32, device="cpu")
    return points, points.new_tensor(weights)
