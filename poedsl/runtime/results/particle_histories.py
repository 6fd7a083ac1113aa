"""The particles at the stages of a run: predicted endpoints, snapshots and lines of descent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from poedsl.runtime.smc.snapshots import Snapshot
from poedsl.runtime.space.coordinates import Space


@dataclass(frozen=True, slots=True, eq=False)
class PredictedEndpoints:
    """Predicted endpoints at the stages of a run, each particle's by its own line (Zhang et al.,
    Fig. 11).

    Attributes:
        space: converts the coordinates of the run to values of variables.
        stages: their numbers, from noise to data.
        endpoints: (S, L, D), in the coordinates of the run.
    """

    space: Space
    stages: tuple[int, ...]
    endpoints: Float[Tensor, "S L D"]

    def of(self, particle: int) -> dict[str, Float[Tensor, S * shape]]:
        """Each variable at every stage, for one particle of the result."""
        return self.space.values(self.endpoints[:, particle])


@dataclass(frozen=True, slots=True, eq=False)
class Snapshots:
    """All particles at some stages, each in its slot before the stage is resampled.

    Attributes:
        space: converts the coordinates of the run to values of variables.
        stages: from noise to data, the first and the last one among them.
    """

    space: Space
    stages: tuple[Snapshot, ...]

    def values(self, stage: Snapshot, rows: Sequence[int]) -> dict[str, Float[Tensor, n * shape]]:
        """Each variable as predicted at a stage, for the particles in some slots."""
        return self.space.values(stage.endpoints[list(rows)].to(self.space.loc.device))


def ancestor_slots(
    parents: Int[Tensor, "T L"], later: int, earlier: int, slots: Int[Tensor, " n"]
) -> Int[Tensor, " n"]:
    """The slots before resampling at an earlier stage from which particles descend.

    Args:
        parents: of every stage, the slot before its resampling of each particle after it.
        later, earlier: indices of stages. slots: of the particles before resampling at the later
            stage, whose index is the number of stages where they are those of the result.
    """
    for index in range(later - 1, earlier - 1, -1):
        slots = parents[index][slots]
    return slots
