"""Step sizes of each island, adapted to an acceptance target as the run goes on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.runtime.core.state import SavedState


@dataclass(frozen=True, slots=True)
class StepSize:
    """The step size of each island in each of the coordinates in which steps are taken, held as its
    square, the variance of a proposal's noise.
    """

    variance: Float[Tensor, "S C"]

    @classmethod
    def initial(cls, step_size: float, islands: int, device: torch.device) -> StepSize:
        return cls(torch.full((islands, 1), step_size**2, dtype=torch.float32, device=device))

    def state(self) -> SavedState:
        return {"variance": self.variance}

    @classmethod
    def restored(cls, state: SavedState) -> StepSize:
        return cls(state["variance"])

    @property
    def mean(self) -> float:
        """Over the islands, in the first coordinates."""
        return float(self.variance[:, 0].sqrt().mean())

    def split(self, coordinates: int) -> list[StepSize]:
        """That of each of so many coordinates; they start alike."""
        columns = self.variance
        if columns.shape[1] != coordinates:
            columns = columns[:, :1].expand(-1, coordinates)
        return [StepSize(column[:, None]) for column in columns.unbind(1)]

    @classmethod
    def joined(cls, sizes: Sequence[StepSize]) -> StepSize:
        """Those of several coordinates."""
        return cls(torch.cat([size.variance for size in sizes], 1))

    def per_particle(self, particles: int) -> Float[Tensor, "#L 1"]:
        """The variance for every particle of islands of so many; one row if there is one island."""
        if len(self.variance) == 1:
            return self.variance
        return self.variance.repeat_interleave(particles, 0)

    def adapted(self, acceptance: Float[Tensor, "S 1"], target: float) -> StepSize:
        """Moved towards an acceptance target (Robbins and Monro 1951, with a constant gain)."""
        return StepSize(self.variance * (acceptance - target).exp_())

    def narrowed(self, narrowing: float, target: float, steps: int) -> StepSize:
        """Scaled with the target's variance where that shrinks from one stage to the next, by no
        more than ``steps`` accepted steps would undo.
        """
        return StepSize(self.variance * max(narrowing, math.exp(steps * (target - 1))))
