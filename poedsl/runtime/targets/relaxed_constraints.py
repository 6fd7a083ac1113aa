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
from jaxtyping import Float
from torch import Tensor

from poedsl.compiler.plan.terms import Apply, Const, Term
from poedsl.runtime.space.coordinates import Space
from poedsl.runtime.targets.margin_dependence import Dependence, SlopeGroup, dependence
from poedsl.runtime.terms.evaluate import Environment, margins
from poedsl.runtime.terms.functions import aligned, dimension

#: The smallest standard deviation of a margin.
NARROWEST = 1e-12
#: The largest margin, so that its square is finite in single precision.
LARGEST = 1e15
#: The least chance that counts for an inequality whose margin is undefined at every node. It is not
#: zero, since a particle of weight zero would not come back when the spread is smaller.
LEAST_DEFINED = 1e-6
#: Log of a chance below which that of one condition of several is the sum of theirs.
SMALL = -15.0


class Margins(NamedTuple):
    """The margins of a condition's inequalities at points.

    Attributes:
        values: side by side.
        shapes: of those of each inequality.
    """

    values: Float[Tensor, "L m"]
    shapes: list[torch.Size]


class Standardised(NamedTuple):
    """Margins as N(., 1) that are to be positive.

    Attributes:
        means: of the margins where they are defined, in standard deviations.
        defined: the share of the spread in which they are.
    """

    means: Float[Tensor, "L m"]
    defined: Float[Tensor, "L m"]


def reads(term: Term, env: Environment, space: Space) -> Dependence:
    """Which components a condition reads."""
    return dependence(
        lambda points: _margins(term, env, space, points).values, space.size, space.loc
    )


def log_chance(
    term: Term,
    env: Environment,
    space: Space,
    read: Dependence,
    point: Float[Tensor, "L D"],
    spread: Float[Tensor, " #D"],
) -> Float[Tensor, " L"]:
    """Log of the chance that a condition on inequalities holds at N(point, spread^2).

    Each margin m, positive where its inequality holds, counts as Phi(E m / sd m) by itself, as if
    it were independent of the others; where it is undefined, its inequality does not hold. Mean and
    variance are by a cubature of fifth degree over the components that matter: exact where m is
    quadratic. Of many components m is taken for a plane, its slope being that at the point.

    Args:
        read: what `reads` says.
        point: in the run's coordinates; the result is differentiable in it, components of whose
            gradient that are not finite count as zero.
    """
    if point.requires_grad:
        point = point.view_as(point)
        point.register_hook(torch.nan_to_num)  # type: ignore[no-untyped-call]
    if read.groups:
        return _of_planes(term, env, space, read.groups, point, spread)
    components = read.components
    nodes, weights = _cubature(len(components))
    steps = point.new_zeros(len(nodes), space.size)
    steps[:, components] = nodes.to(point) * spread.expand(space.size)[components]
    at = _margins(term, env, space, (point[:, None] + steps).flatten(0, 1))
    near = at.values.view(len(point), len(nodes), -1)
    undefined, share = near.isnan(), weights.to(point)[:, None]
    defined = (1 - (share * undefined).sum(1)).clamp(min=LEAST_DEFINED)
    near, share = _finite(near), share * ~undefined
    mean = (share * near).sum(1) / defined
    variance = (share * (near - mean[:, None]).square()).sum(1) / defined
    means = mean / (variance + 1e-24).sqrt().clamp(min=NARROWEST)
    return _log_combined(term, Standardised(means, defined), at.shapes)


def _of_planes(
    term: Term,
    env: Environment,
    space: Space,
    groups: Sequence[SlopeGroup],
    point: Float[Tensor, "L D"],
    spread: Float[Tensor, " #D"],
) -> Float[Tensor, " L"]:
    with torch.enable_grad():
        at = point if point.requires_grad else point.detach().requires_grad_()
        near = _margins(term, env, space, at)
        values = _finite(near.values)
        deviations = torch.ones_like(values)
        for group in groups:
            (slope,) = torch.autograd.grad(values[:, group.margins].sum(), at, retain_graph=True)
            norms = group.norms(spread * slope.nan_to_num())
            deviations = deviations.index_copy(1, group.margins, norms.clamp(min=NARROWEST))
        defined = (~near.values.isnan()).to(at).clamp(min=LEAST_DEFINED)
        total = _log_combined(term, Standardised(values / deviations, defined), near.shapes)
    return total if point.requires_grad else total.detach()


def _margins(term: Term, env: Environment, space: Space, points: Float[Tensor, "L D"]) -> Margins:
    inequalities = margins(term, env.with_values(space.values(points)))
    assert inequalities is not None
    rows = [m.expand(len(points), *m.shape[1:]).reshape(len(points), -1) for m in inequalities]
    shapes = [m.shape[1:] for m in inequalities]
    return Margins(torch.cat(rows, 1) + 0 * points.sum(1, keepdim=True), shapes)


def _finite(values: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Margins whose squares are finite; 0 where they are undefined."""
    return torch.where(values.isnan(), 0.0, values).clamp(-LARGEST, LARGEST)


def _log_combined(
    term: Term, margins: Standardised, shapes: Sequence[torch.Size]
) -> Float[Tensor, " L"]:
    """Log of the chance of a condition, by the margins of its inequalities."""
    above, below = (torch.special.log_ndtr(sign * margins.means) for sign in (1, -1))
    certain, defined = margins.defined.eq(1), margins.defined.log()
    undefined = torch.where(certain, 0.5, 1 - margins.defined).log()
    fails = torch.where(certain, below, torch.logaddexp(undefined, defined + below))
    sizes, rows = [shape.numel() for shape in shapes], len(above)
    sides = (torch.split(side, sizes, 1) for side in (defined + above, fails))
    chances = (
        Chances(holds.view(rows, *shape), fails.view(rows, *shape))
        for holds, fails, shape in zip(*sides, shapes, strict=True)
    )
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
        case Apply("all" | "any" as function, (inner,)):
            each = _chances(inner, inequalities).flat()
            return each.all_along(1) if function == "all" else each.any_along(1)
        case Apply("all" | "any" as function, (inner, Const(int(axis)))):
            each, dim = _chances(inner, inequalities), dimension(axis)
            return each.all_along(dim) if function == "all" else each.any_along(dim)
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
