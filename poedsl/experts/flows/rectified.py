"""Rectified flows: the score of an expert from its velocity (Zhang et al., C.1).

At z = (1 - s) x_1 + s eps, s from 1 (noise) to 0 (data), the network gives v = E[eps - x_1 | z].
Then x_1 = z - s v, eps = z + (1 - s) v and the score is -eps / s. A point of the path, which
preserves variance, is x = z sqrt((1 - s)^2 + s^2): s = sigma / (alpha + sigma), z = x / (alpha +
sigma), and its score is -eps / sigma.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor

from poedsl.experts.protocol import Noised


class RectifiedFlow(ABC):
    """A `Generative` with a score by its velocity.

    Attributes:
        spread: standard deviation of its data.
    """

    has_density = False
    terminal = False
    calls_per_evaluation = 1
    inference_mode = True
    spread = 1.0

    @abstractmethod
    def velocity(self, z: Float[Tensor, "L D"], s: float) -> Float[Tensor, "L D"]:
        """V = E[eps - x_1 | z], which points from data to noise; differentiable in ``z``."""

    def endpoint_precision(self, alpha: float, sigma: float) -> float:
        """The precision of x_1 given x_t for Gaussian data with standard deviation `spread`."""
        return self.spread**-2 + alpha**2 / sigma**2

    def noised(self, x: Float[Tensor, "L D"], alpha: float, sigma: float) -> Noised:
        s, z = sigma / (alpha + sigma), x / (alpha + sigma)
        noise = z + (1 - s) * self.velocity(z.float(), s).to(z)
        return Noised(-noise / sigma)
