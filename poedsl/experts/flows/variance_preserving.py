"""Gaussian diffusions: the score of an expert from what its network predicts."""

from __future__ import annotations

import bisect
from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor

from poedsl.experts.loading.schedulers import DiffusionScheduler
from poedsl.experts.protocol import Noised


class VariancePreserving(ABC):
    """A `Generative` whose network predicts the noise eps, the data x_1, or v = alpha eps - sigma
    x_1 (Salimans and Ho 2022), as its scheduler says.

    Its own times are those of that scheduler, whose last one may be pure noise (Lin et al. 2024):
    a point of the path is one of its points already, and time is read off sigma. The score is
    -eps / sigma. Where the path is less noisy than the network's first time, the score of that one
    stands.
    """

    has_density = False
    terminal = False
    calls_per_evaluation = 1
    inference_mode = True

    def __init__(self, scheduler: DiffusionScheduler) -> None:
        self.scheduler, self.sigmas = scheduler, scheduler.sigmas

    @abstractmethod
    def predicted(self, x: Float[Tensor, "L D"], time: float) -> Float[Tensor, "L D"]:
        """What the network predicts at a point at one of its times; differentiable in ``x``."""

    def endpoint_precision(self, alpha: float, sigma: float) -> float:
        """The precision of x_1 given x_t if the data are Gaussian with variance 1."""
        return 1 + alpha**2 / sigma**2

    def noised(self, x: Float[Tensor, "L D"], alpha: float, sigma: float) -> Noised:
        out = self.predicted(x, self.time(sigma)).to(x)
        if sigma < self.sigmas[0]:
            sigma = self.sigmas[0]
            alpha = (1 - sigma**2) ** 0.5
        return Noised(self.score(x, out, alpha, sigma))

    def score(
        self, x: Float[Tensor, "L D"], out: Float[Tensor, "L D"], alpha: float, sigma: float
    ) -> Float[Tensor, "L D"]:
        """The score from what the network predicts, with its scheduler's clipping of the data."""
        clip, prediction = self.scheduler.clip, self.scheduler.prediction
        if clip is None and prediction == "v_prediction":
            return -x - alpha / sigma * out
        if clip is None and prediction == "epsilon":
            return -out / sigma
        match prediction:
            case "v_prediction":
                data = alpha * x - sigma * out
            case "epsilon":
                data = (x - sigma * out) / alpha
            case _:
                data = out
        data = data if clip is None else data.clamp(-clip, clip)
        return (alpha * data - x) / sigma**2

    def time(self, sigma: float) -> float:
        """The network's time of a noise level, by linear interpolation."""
        after = bisect.bisect_left(self.sigmas, sigma)
        if after == 0:
            return 0.0
        if after == len(self.sigmas):
            return float(after - 1)
        low, high = self.sigmas[after - 1], self.sigmas[after]
        return after - 1 + (sigma - low) / (high - low)
