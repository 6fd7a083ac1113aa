"""Which components of a particle the margins of a condition read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

#: With more components than this a condition counts as a plane.
MOST = 4
#: Points at which margins have their slopes compared.
POINTS = 8


@dataclass(frozen=True, slots=True, eq=False)
class SlopeGroup:
    """Margins that share no component, so that the gradient of their sum has the slope of each.

    Attributes:
        margins: their numbers.
        components: what they read, those of each margin together.
        readers: the position in ``margins`` of the margin that reads each of ``components``.
    """

    margins: Int[Tensor, " k"]
    components: Int[Tensor, " n"]
    readers: Int[Tensor, " n"]

    def norms(self, slope: Float[Tensor, "L D"]) -> Float[Tensor, "L k"]:
        """The Euclidean norm of the slope of each margin, by that of their sum."""
        squares = slope[:, self.components].square()
        sums = slope.new_zeros(len(slope), len(self.margins))
        return sums.index_add(1, self.readers, squares).sqrt()


@dataclass(frozen=True, slots=True, eq=False)
class Dependence:
    """Which components a condition reads.

    Attributes:
        components: all of them, where they are ``MOST`` at most.
        groups: where they are more.
    """

    components: Int[Tensor, " d"]
    groups: tuple[SlopeGroup, ...] = ()


def dependence(
    margins: Callable[[Tensor], Tensor], size: int, like: Float[Tensor, "..."]
) -> Dependence:
    """Which components a condition reads, by the slopes of its margins at a few points.

    A margin whose slope vanishes in other components from point to point, such as a maximum's,
    counts as reading every component.

    Args:
        margins: of points (L, D), side by side (L, m).
        size: D.
        like: a tensor of the run, for its device and type.
    """
    generator = torch.Generator("cpu").manual_seed(0)
    points = torch.randn(POINTS, size, generator=generator, dtype=torch.float32, device="cpu")
    with torch.enable_grad():
        points = points.to(like).requires_grad_()
        values = margins(points)
        mixture = torch.rand(
            values.shape[1], generator=generator, dtype=torch.float32, device="cpu"
        )
        mixed = (values * mixture.to(values)).sum()
        (slope,) = torch.autograd.grad(mixed, points, retain_graph=True)
        read = slope.ne(0).any(0).nonzero().flatten()
        if len(read) <= MOST:
            return Dependence(read)
        reads, every = [], torch.arange(size, device=points.device)
        for margin in values.unbind(1):
            (slope,) = torch.autograd.grad(margin.sum(), points, retain_graph=True)
            nonzero = slope.ne(0)
            regular = bool((nonzero == nonzero[0]).all())
            reads.append(nonzero[0].nonzero().flatten() if regular else every)
    return Dependence(read[:0], _disjoint([r.tolist() for r in reads], points.device))


def _disjoint(reads: Sequence[list[int]], device: torch.device) -> tuple[SlopeGroup, ...]:
    """Margins in few groups, by the components that each reads: each in the first that it fits."""
    groups: list[tuple[list[int], set[int]]] = []
    for number, components in enumerate(reads):
        fitting = (group for group in groups if group[1].isdisjoint(components))
        group = next(fitting, None)
        if group is None:
            group = ([], set())
            groups.append(group)
        group[0].append(number)
        group[1].update(components)

    def indices(values: list[int]) -> Int[Tensor, " n"]:
        return torch.tensor(values, dtype=torch.long, device=device)

    return tuple(
        SlopeGroup(
            indices(members),
            indices([c for number in members for c in reads[number]]),
            indices([k for k, number in enumerate(members) for _ in reads[number]]),
        )
        for members, _ in groups
    )
