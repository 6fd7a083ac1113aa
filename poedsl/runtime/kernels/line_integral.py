"""Acceptance from scores alone: the log ratio as a line integral of the score.

Kernels that accept by it are invariant up to the error of the quadrature.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from jaxtyping import Float
from numpy.polynomial import Legendre
from torch import Tensor

from poedsl.runtime.core.particles import Point
from poedsl.runtime.kernels.kernel import LogRatio
from poedsl.runtime.kernels.metropolis import reward_ratio

Scores = Callable[[Float[Tensor, "L D"]], Float[Tensor, "L D"]]


def line_integral(scores: Scores, inner: int) -> LogRatio:
    """The increase of the log target from scores: the integral of S . dx along a segment.

    The rule is that of Gauss and Lobatto: its ends are points whose scores are there anyway, and
    with n nodes between them it is exact for scores that are polynomials of degree 2n + 1 along the
    segment (n = 0 is the trapezoid rule, n = 1 Simpson's). It is the same in both directions, so
    that the way back has the reciprocal ratio. Rewards have values, and count exactly.

    Args:
        scores: S at points (L, D), without rewards.
        inner: the number n of nodes between the two ends.
    """
    nodes, weights = lobatto(inner)

    def log_ratio(here: Point, there: Point) -> Float[Tensor, " L"]:
        a, b = here.at, there.at
        assert a is not None and b is not None
        displacement = there.x - here.x
        mean = weights[0] * (a.score + b.score)
        for node, weight in zip(nodes, weights[1:], strict=True):
            mean = mean + weight * scores(here.x + node * displacement)
        total = (mean * displacement).sum(-1)
        if a.log_reward is not None and b.log_reward is not None:
            total = total + (b.log_reward - a.log_reward)
        return reward_ratio(total, here, there)

    return log_ratio


@cache
def lobatto(inner: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The inner nodes on [0, 1], and the weights of one end and of each of them (Abramowitz and
    Stegun 1964, 25.4.32).
    """
    polynomial = Legendre.basis(inner + 1)
    roots = [float(root) for root in polynomial.deriv().roots()]
    ends = (inner + 1) * (inner + 2)
    weights = (1 / (ends * float(polynomial(x)) ** 2) for x in (1.0, *roots))
    return tuple(0.5 + 0.5 * x for x in roots), tuple(weights)
