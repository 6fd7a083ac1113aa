"""The way of particles through a run."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from poedsl.runtime.space.coordinates import Space


@dataclass(frozen=True, slots=True, eq=False)
class Trail:
    """Predicted endpoints on the way, each particle's by its own line (Zhang et al., Fig. 11).

    Attributes:
        stages: their numbers, from noise to data. ends: (S, L, D), as the path holds them.
    """

    space: Space
    stages: tuple[int, ...]
    ends: Float[Tensor, "S L D"]

    def of(self, particle: int) -> dict[str, Float[Tensor, S * shape]]:
        """Each variable at every stage, for one particle of the result."""
        return self.space.values(self.ends[:, particle])
