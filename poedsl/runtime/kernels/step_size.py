"""Step sizes: one for each island, adapted to an acceptance target as the run goes on."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.runtime.core.state import SavedState


@dataclass(frozen=True, slots=True)
class StepSize:
    """The step size of each island, held as its square, the variance of a proposal's noise."""

    variance: Float[Tensor, "S 1"]

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
        return float(self.variance.sqrt().mean())

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
