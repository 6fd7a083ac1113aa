"""The flow path: noised marginals in variance-preserving coordinates, from noise to data.

x_t = alpha_t x_1 + sigma_t eps with alpha^2 + sigma^2 = 1 (Zhang et al., C.1; Lipman et al. 2024 for the scale-time
transform that brings other schedules here). With exponents that sum to W, the start is N(0, I / W), and a
move takes the process dx = W (alpha'/alpha) x dt + ... as its own noising: an Ornstein-Uhlenbeck process of
rate W, which is the usual one where W = 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

#: Signal at the noisy end: small, and above zero so that endpoints can be predicted there.
ALPHA_MIN = 0.01


@dataclass(frozen=True, slots=True)
class Stage:
    """One distribution of the path: number ``t`` from steps + 1 (noise) to 1 (data)."""

    t: int
    alpha: float
    sigma: float

    @property
    def beta(self) -> float:
        """Share of the signal in the variance, 0 at noise and 1 at data."""
        return self.alpha**2


@dataclass(frozen=True, slots=True)
class Interval:
    """What a move from one stage to the next needs, per component or common to all.

    Attributes:
        log_alpha: the increase of log alpha.
        decay: factor by which noising shrinks the cleaner point.
        variance: of the noise that noising adds.
        ode_score: coefficient of the score in the deterministic move.
        ode_shrink: coefficient of the point in the deterministic move.
    """

    log_alpha: float
    decay: Float[Tensor, " D"]
    variance: Float[Tensor, " D"]
    ode_shrink: Float[Tensor, " D"]
    ode_score: Float[Tensor, " D"]


@dataclass(frozen=True, slots=True)
class FlowPath:
    """Stages and the intervals between them; ``exponents`` is W, for each component or once for all."""

    stages: tuple[Stage, ...]
    intervals: tuple[Interval, ...]
    exponents: Float[Tensor, " D"]

    @classmethod
    def build(cls, steps: int, exponents: Float[Tensor, " D"]) -> FlowPath:
        """Stages evenly spaced in the angle whose sine is alpha and whose cosine is sigma."""
        first = math.asin(ALPHA_MIN)
        angles = [first + (math.pi / 2 - first) * k / steps for k in range(steps + 1)]
        stages = [
            Stage(steps + 1 - k, math.sin(angle), math.cos(angle)) for k, angle in enumerate(angles)
        ]
        stages[-1] = Stage(1, 1.0, 0.0)
        pairs = zip(stages, stages[1:], strict=False)
        return cls(tuple(stages), tuple(_interval(a, b, exponents) for a, b in pairs), exponents)

    def log_normaliser(self, size: int) -> float:
        """Log of the integral of N(0, I)^W over ``size`` components: (1/2) ((1 - W) log 2 pi - log W) each."""
        w = self.exponents.double().expand(size)
        return float((0.5 * ((1 - w) * math.log(2 * math.pi) - w.log())).sum())


def _interval(noisier: Stage, cleaner: Stage, exponents: Float[Tensor, " D"]) -> Interval:
    """The DDIM coefficients of the process of rate W (Song et al. 2021, at W = 1)."""
    w = exponents.double()
    signal0, signal1 = noisier.alpha**w, cleaner.alpha**w
    spread0, spread1 = (1 - signal0**2) / w, (1 - signal1**2) / w
    decay = signal0 / signal1
    ode_score = spread0 / decay - (spread0 * spread1).sqrt()
    return Interval(
        log_alpha=math.log(cleaner.alpha / noisier.alpha),
        decay=decay.float(),
        variance=((1 - decay**2) / w).float(),
        ode_shrink=(1 / decay).float(),
        ode_score=ode_score.float(),
    )
