"""The flow path: noised marginals in variance-preserving coordinates, from noise to data.

x_t = alpha_t x_1 + sigma_t eps with alpha^2 + sigma^2 = 1 (Zhang et al., C.1). With exponents that
sum to W, the start is N(0, I / W), and a move takes an Ornstein-Uhlenbeck process of rate W for its
own noising, which is the usual one where W = 1. Experts trained under another schedule are aligned
by the scale-time transform (Lipman et al. 2024).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

#: Signal at the noisy end: small, and above zero so that endpoints can be predicted there.
ALPHA_MIN = 0.01
#: The same for paths that are laid out by rectified times.
LATEST = 0.999


@dataclass(frozen=True, slots=True)
class NoisingStage:
    """One distribution of the path: number ``t`` from steps + 1 (noise) to 1 (data).

    Attributes:
        narrowing: its variance over that of the stage before, as far as that is known.
    """

    t: int
    alpha: float
    sigma: float
    narrowing: float = 1.0

    @property
    def beta(self) -> float:
        """Share of the signal in the variance, 0 at noise and 1 at data."""
        return self.alpha**2

    @property
    def noise_scale(self) -> float:
        return self.sigma


class Schedule(NamedTuple):
    """Where stages stand.

    Attributes:
        angles: whose sines are alpha, increasing to a right one.
        narrowing: the variance at each over that at the one before, as far as that is known.
    """

    angles: Sequence[float]
    narrowing: Sequence[float]


@dataclass(frozen=True, slots=True)
class StageTransition:
    """What a move from one stage to the next needs, per component or common to all.

    Attributes:
        log_alpha: the increase of log alpha.
        ode_shrink: of the deterministic move, coefficient of the point.
        ode_score: of the deterministic move, coefficient of the score.
        decay: what noising shrinks a point by.
        keep: of the noisy move, coefficient of the point.
        pull: of the noisy move, coefficient of S.
        reward: of the noisy move, coefficient of the rewards' gradient.
        push: of the noisy move, coefficient of a drift that is zero on pure noise.
        spread: of the noise that the noisy move, or noising, adds.
    """

    log_alpha: float
    ode_shrink: float
    ode_score: float
    decay: Float[Tensor, " #D"]
    keep: Float[Tensor, " #D"]
    pull: Float[Tensor, " #D"]
    reward: Float[Tensor, " #D"]
    push: Float[Tensor, " #D"]
    spread: Float[Tensor, " #D"]


@dataclass(frozen=True, slots=True)
class FlowPath:
    """Stages and the intervals between them; ``exponents`` is W and ``excess`` W - 1, for each
    component or once for all.
    """

    stages: tuple[NoisingStage, ...]
    intervals: tuple[StageTransition, ...]
    exponents: Float[Tensor, " #D"]
    excess: Float[Tensor, " #D"]

    @classmethod
    def build(
        cls,
        steps: int,
        exponents: Float[Tensor, " #D"],
        eta: float = 1.0,
        schedule: Schedule | None = None,
    ) -> FlowPath:
        """Stages at angles whose sines are alpha and whose cosines sigma.

        Args:
            eta: the noisy move has eta^2 of the path's own noise.
            schedule: of ``steps`` moves; evenly spaced angles where left out.
        """
        if schedule is None:
            first = math.asin(ALPHA_MIN)
            angles = [first + (math.pi / 2 - first) * k / steps for k in range(steps + 1)]
            schedule = Schedule(angles, [1.0] * len(angles))
        numbered = zip(range(steps + 1, 0, -1), *schedule, strict=True)
        stages = [
            NoisingStage(t, math.sin(a), math.cos(a), narrower) for t, a, narrower in numbered
        ]
        stages[-1] = NoisingStage(1, 1.0, 0.0, stages[-1].narrowing)
        intervals = (_interval(a, b, exponents, eta) for a, b in pairwise(stages))
        return cls(tuple(stages), tuple(intervals), exponents, exponents - 1)

    def log_normaliser(self, size: int) -> float:
        """Log of the integral of N(0, I)^W over ``size`` components: (1/2) ((1 - W) log 2 pi - log
        W) each.
        """
        w = self.exponents.double().expand(size)
        return float((0.5 * ((1 - w) * math.log(2 * math.pi) - w.log())).sum())


def at_times(times: Sequence[float]) -> Schedule:
    """Stages at rectified times s = sigma / (alpha + sigma), from 1 to 0."""
    angles = [math.atan2(1 - min(s, LATEST), min(s, LATEST)) for s in times]
    return Schedule(angles, [1.0] * len(angles))


def _interval(
    noisier: NoisingStage, cleaner: NoisingStage, exponents: Float[Tensor, " #D"], eta: float
) -> StageTransition:
    """Exponential integrators of both moves.

    The deterministic one is DDIM's (Song et al. 2021), the Euler step of a rectified flow. The
    noisy one holds (S + W x) / alpha constant, so that it preserves N(0, I / W) for every step;
    at W = eta = 1 its mean is Tweedie's E[x' | x].
    """
    w, share = exponents.double(), eta**2
    ratio = noisier.alpha / cleaner.alpha
    decay = ratio ** (share * w)
    push = (1 / ratio - decay) / (1 + share * w)
    return StageTransition(
        log_alpha=-math.log(ratio),
        ode_shrink=1 / ratio,
        ode_score=noisier.sigma**2 / ratio - noisier.sigma * cleaner.sigma,
        decay=decay.to(exponents),
        keep=(decay + (1 + share) * push * w).to(exponents),
        pull=((1 + share) * push).to(exponents),
        reward=(2 * share * push).to(exponents),
        push=push.to(exponents),
        spread=((1 - decay**2) / w).sqrt().to(exponents),
    )
