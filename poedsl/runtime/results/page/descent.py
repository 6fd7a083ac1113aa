"""Who descends from whom: which particles of a stage have descendants at later ones."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from poedsl.runtime.results.particle_histories import ancestor_slots


@dataclass(frozen=True, slots=True)
class StageRow:
    """Particles of one stage, as a picture shows them from left to right.

    Attributes:
        index: of the stage.
        slots: of the particles, before the stage is resampled.
        parents: where each one's ancestor stands in the row before; None if it is not shown.
        roots: the slot at the first stage that each descends from.
        going_on: whether each has descendants in the row after it, or in the result.
        alive: how many particles of the stage have, shown or not.
    """

    index: int
    slots: tuple[int, ...]
    parents: tuple[int | None, ...]
    roots: tuple[int, ...]
    going_on: tuple[bool, ...]
    alive: int


def rows(
    parents: Int[Tensor, "T L"], indices: list[int], shown: list[int], most: int
) -> list[StageRow]:
    """A row for each of some stages, in which lines of descent do not cross.

    Args:
        parents: of every stage, the slot before its resampling of each particle after it.
        indices: of the stages, in order.
        shown: slots of the result whose ancestors are shown; others fill the rows.
        most: particles in a row.
    """
    count = parents.shape[1]
    every = torch.arange(count)
    # The place in the row before of each slot of a row, and of each slot of the result.
    steps = [
        ancestor_slots(parents, later, earlier, every)
        for earlier, later in zip(indices, [*indices[1:], len(parents)], strict=True)
    ]
    chosen: list[list[int]] = []
    shown_slots = shown[:most]
    for step in reversed(steps):
        shown_slots = sorted({int(step[s]) for s in shown_slots})
        taken = set(shown_slots)
        others = [s for s in range(count) if s not in taken]
        room = most - len(shown_slots)
        stride = max(1, -(-len(others) // room)) if room else len(others) + 1
        shown_slots = sorted([*shown_slots, *others[::stride][:room]])
        chosen.append(shown_slots)
    out: list[StageRow] = []
    roots = every
    for number, (index, slots) in enumerate(zip(indices, reversed(chosen), strict=True)):
        before = {s: place for place, s in enumerate(out[-1].slots)} if out else {}
        origin = every if number == 0 else steps[number - 1]
        roots = every if number == 0 else roots[origin]
        placed = sorted(slots, key=lambda s: (before.get(int(origin[s]), len(before)), s))
        lives = set(steps[number].tolist())
        out.append(
            StageRow(
                index,
                tuple(placed),
                tuple(before.get(int(origin[s])) if number else None for s in placed),
                tuple(int(roots[s]) for s in placed),
                tuple(s in lives for s in placed),
                len(lives),
            )
        )
    return out
