"""Gaussian diffusions in coordinates that preserve variance, as experts on the same path.

A network predicts the noise eps, the data x_1, or v = alpha eps - sigma x_1 (Salimans and Ho 2022)
at x = alpha x_1 + sigma eps with alpha^2 + sigma^2 = 1, which is a point of the path already. The
score is -eps / sigma.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor

from poedsl.experts.loading.schedulers import DiffusionScheduler
from poedsl.experts.protocol import Noised


class VariancePreserving(ABC):
    """A `Generative` with a score by what its network predicts.

    Its times are those of its scheduler, whose last one may be pure noise (Lin et al. 2024); time
    is read off sigma. Where the path is less noisy than the network's first time, the score of that
    one stands.

    Attributes:
        scheduler: the noise level at each time, and what is predicted.
    """

    has_density = False
    terminal = False
    calls_per_evaluation = 1
    inference_mode = True
    scheduler: DiffusionScheduler

    @abstractmethod
    def predict(self, x: Float[Tensor, "L D"], time: float) -> Float[Tensor, "L D"]:
        """The network's prediction at points in 32-bit floats; differentiable in ``x``."""

    def endpoint_precision(self, alpha: float, sigma: float) -> float:
        """The precision of x_1 given x_t if the data are Gaussian with variance 1."""
        return 1 + alpha**2 / sigma**2

    def noised(self, x: Float[Tensor, "L D"], alpha: float, sigma: float) -> Noised:
        out = self.predict(x.float(), self.scheduler.time(sigma)).to(x)
        if sigma < self.scheduler.sigmas[0]:
            sigma = self.scheduler.sigmas[0]
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
