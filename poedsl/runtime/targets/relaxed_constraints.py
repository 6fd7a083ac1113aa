"""Relaxed constraints: the estimated probability that a condition will hold at the end of the
path.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import combinations, product
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from poedsl.compiler.plan.terms import Apply, Term
from poedsl.runtime.space.coordinates import Space
from poedsl.runtime.terms.evaluate import Environment, margins
from poedsl.runtime.terms.functions import aligned

#: With more components than this a condition counts as a plane.
MOST = 4
#: The smallest standard deviation of a margin.
NARROWEST = 1e-12
#: Log of a chance below which that of one condition of several is the sum of theirs.
SMALL = -15.0


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
        margins, _ = _margins(term, env, space, points)
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
    """Log of the chance that a condition on inequalities holds at N(point, spread^2).

    Each margin m, positive where its inequality holds, counts as Phi(E m / sd m) by itself, as if
    it were independent of the others. Mean and variance are by a cubature of fifth degree over the
    components that matter: exact where m is quadratic. Of many components m is taken for a plane,
    its slope being that at the point.

    Args:
        places: what `deciding` says.
        point: in the run's coordinates; the result is differentiable in it.
    """
    if len(places) > MOST:
        return _of_planes(term, env, space, point, spread)
    nodes, weights = _cubature(len(places))
    steps = point.new_zeros(len(nodes), space.size)
    steps[:, places] = nodes.to(point) * spread.expand(space.size)[places]
    near, shapes = _margins(term, env, space, (point[:, None] + steps).flatten(0, 1))
    near = near.view(len(point), len(nodes), -1)
    share = weights.to(point)[:, None]
    mean = (share * near).sum(1)
    variance = (share * (near - mean[:, None]).square()).sum(1)
    return _log_combined(term, mean / (variance + 1e-24).sqrt().clamp(min=NARROWEST), shapes)


def _of_planes(
    term: Term,
    env: Environment,
    space: Space,
    point: Float[Tensor, "L D"],
    spread: Float[Tensor, " #D"],
) -> Float[Tensor, " L"]:
    with torch.enable_grad():
        at = point if point.requires_grad else point.detach().requires_grad_()
        near, shapes = _margins(term, env, space, at)
        standardised = []
        for margin in near.unbind(1):
            (slope,) = torch.autograd.grad(margin.sum(), at, retain_graph=True)
            standardised.append(margin / (spread * slope).norm(dim=-1).clamp(min=NARROWEST))
        total = _log_combined(term, torch.stack(standardised, 1), shapes)
    return total if point.requires_grad else total.detach()


def _margins(
    term: Term, env: Environment, space: Space, points: Float[Tensor, "L D"]
) -> tuple[Float[Tensor, "L m"], list[torch.Size]]:
    """All margins of a condition, side by side, and the shape of those of each inequality."""
    inequalities = margins(term, env.with_values(space.values(points)))
    assert inequalities is not None
    rows = [m.expand(len(points), *m.shape[1:]).reshape(len(points), -1) for m in inequalities]
    shapes = [m.shape[1:] for m in inequalities]
    return torch.cat(rows, 1) + 0 * points.sum(1, keepdim=True), shapes


def _log_combined(
    term: Term, standardised: Float[Tensor, "L m"], shapes: Sequence[torch.Size]
) -> Float[Tensor, " L"]:
    """Log of the chance of a condition, by the standardised margins of its inequalities."""
    columns = torch.split(standardised, [shape.numel() for shape in shapes], 1)
    rows = len(standardised)
    pairs = ((c.view(rows, *s), -c.view(rows, *s)) for c, s in zip(columns, shapes, strict=True))
    chances = (Chances(*map(torch.special.log_ndtr, pair)) for pair in pairs)
    return _chances(term, chances).flat().all_along(1).holds


class Chances(NamedTuple):
    """Logs of the chances that conditions hold, and that they do not."""

    holds: Float[Tensor, "L *shape"]
    fails: Float[Tensor, "L *shape"]

    def negated(self) -> Chances:
        return Chances(self.fails, self.holds)

    def flat(self) -> Chances:
        """Of all conditions side by side."""
        return Chances(*(logs.reshape(len(logs), -1) for logs in self))

    def all_along(self, dim: int) -> Chances:
        """That all conditions along a dimension hold."""
        holds, some = self.holds.sum(dim), self.fails.logsumexp(dim)
        # A sum of small chances is their union's; one minus what is close to one is zero.
        other = (-torch.expm1(holds.clamp(max=-torch.finfo(holds.dtype).tiny))).log()
        return Chances(holds, torch.where(some < SMALL, some, other))

    def any_along(self, dim: int) -> Chances:
        """That one of the conditions along a dimension holds."""
        return self.negated().all_along(dim).negated()


def _chances(term: Term, inequalities: Iterator[Chances]) -> Chances:
    """The chances of a condition, by those of its inequalities in their order."""
    match term:
        case Apply("not", (inner,)):
            return _chances(inner, inequalities).negated()
        case Apply("all", (inner,)):
            return _chances(inner, inequalities).flat().all_along(1)
        case Apply("any", (inner,)):
            return _chances(inner, inequalities).flat().any_along(1)
        case Apply("and" | "or" | "list" as function, args):
            parts = [_chances(a, inequalities) for a in args]
            holds, fails = (_broadcast(list(side)) for side in zip(*parts, strict=True))
            if function == "list":
                return Chances(torch.stack(holds, 1), torch.stack(fails, 1))
            several = Chances(torch.stack(holds, -1), torch.stack(fails, -1))
            return several.all_along(-1) if function == "and" else several.any_along(-1)
        case _:
            return next(inequalities)


def _broadcast(values: list[Tensor]) -> list[Tensor]:
    return list(torch.broadcast_tensors(*aligned(values)))  # type: ignore[no-untyped-call]


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
