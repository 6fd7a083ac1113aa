"""Markov kernels that aim at one stage's target, rewards included: points in, points and the
probabilities of acceptance out.

Where a kernel is called exactly invariant, that is with densities; with a line integral of the
scores it is so up to the error of the quadrature.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import torch
from jaxtyping import Float
from numpy.polynomial import Legendre
from torch import Tensor

from poedsl.runtime.smc.particles import Evaluation, Point

Evaluate = Callable[[Float[Tensor, "L D"]], Evaluation]
Scores = Callable[[Float[Tensor, "L D"]], Float[Tensor, "L D"]]
#: The increase of the log target from each particle of some points to that of others.
Rise = Callable[[Point, Point], Float[Tensor, " L"]]
#: A point with its black-box rewards.
Judge = Callable[[Point], Point]


def unjudged(point: Point) -> Point:
    """The point as it is, where no black-box rewards count."""
    return point


def between_densities(here: Point, there: Point) -> Float[Tensor, " L"]:
    """The exact increase, where every expert has a density."""
    assert here.at is not None and there.at is not None
    return _rewarded(there.at.log_target - here.at.log_target, here, there)


def _rewarded(rise: Float[Tensor, " L"], here: Point, there: Point) -> Float[Tensor, " L"]:
    """An increase, and that of the black-box rewards."""
    if here.reward is None or there.reward is None:
        return rise
    return rise + (there.reward - here.reward).to(rise)


def along_line(scores: Scores, inner: int) -> Rise:
    """The increase from scores alone: the integral of S . dx along the segment between two points.

    The rule is that of Gauss and Lobatto: its ends are points whose scores are there anyway, and
    with n nodes between them it is exact for scores that are polynomials of degree 2n + 1 along the
    segment (n = 0 is the trapezoid rule, n = 1 Simpson's). It reads the same in both directions,
    so that the way back has the reciprocal ratio. Rewards have values, and count exactly.
    """
    nodes, weights = lobatto(inner)

    def rise(here: Point, there: Point) -> Float[Tensor, " L"]:
        a, b = here.at, there.at
        assert a is not None and b is not None
        way = there.x - here.x
        mean = weights[0] * (a.score + b.score)
        for node, weight in zip(nodes, weights[1:], strict=True):
            mean = mean + weight * scores(here.x + node * way)
        total = (mean * way).sum(-1)
        if a.guide is not None and b.guide is not None:
            total = total + (b.guide - a.guide)
        return _rewarded(total, here, there)

    return rise


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


def langevin(
    point: Point,
    evaluate: Evaluate,
    noise: Float[Tensor, "L D"],
    size: Float[Tensor, "#L #D"],
) -> Point:
    """One unadjusted Langevin step of variance ``size``; biased by O(size) (Zhang et al., C.1).

    The experts at the new point are left to whoever needs them next.
    """
    at = point.at if point.at is not None else evaluate(point.x)
    x = torch.addcmul(point.x, size, at.drift, value=0.5).addcmul_(size.sqrt(), noise)
    return Point(x)


def mala(
    point: Point,
    evaluate: Evaluate,
    noise: Float[Tensor, "L D"],
    uniform: Float[Tensor, " L"],
    size: Float[Tensor, "#L 1"],
    rise: Rise = between_densities,
    judge: Judge = unjudged,
) -> tuple[Point, Float[Tensor, " L"]]:
    """One Metropolis-adjusted Langevin step, exactly invariant (Roberts and Tweedie 1996).

    Returns:
        The points, and each particle's probability of acceptance.
    """
    at = point.at
    assert at is not None
    root = size.sqrt()
    x = torch.addcmul(point.x, size, at.drift, value=0.5).addcmul_(root, noise)
    proposed = evaluate(x)
    turn = (at.drift + proposed.drift).mul_(root)
    back = torch.add(noise, turn, alpha=0.25).mul_(turn).sum(-1)
    end = judge(Point(x, proposed))
    acceptance = _chance(rise(point, end).sub_(back, alpha=0.5))
    return end.where(uniform < acceptance, point), acceptance


def random_walk(
    point: Point,
    evaluate: Evaluate,
    noise: Float[Tensor, "L D"],
    uniform: Float[Tensor, " L"],
    size: Float[Tensor, "#L 1"],
    rise: Rise = between_densities,
    judge: Judge = unjudged,
) -> tuple[Point, Float[Tensor, " L"]]:
    """One random-walk Metropolis step of variance ``size``, exactly invariant (Metropolis 1953).

    Returns:
        The points, and each particle's probability of acceptance.
    """
    x = torch.addcmul(point.x, size.sqrt(), noise)
    end = judge(Point(x, evaluate(x)))
    acceptance = _chance(rise(point, end))
    return end.where(uniform < acceptance, point), acceptance


def hmc(
    point: Point,
    evaluate: Evaluate,
    noise: Float[Tensor, "L D"],
    uniform: Float[Tensor, " L"],
    size: Float[Tensor, "#L 1"],
    leaps: int,
    rise: Rise = between_densities,
    judge: Judge = unjudged,
) -> tuple[Point, Float[Tensor, " L"]]:
    """One step of Hamiltonian Monte Carlo, exactly invariant (Neal 2011).

    Args:
        size: the square of a leap's length, as of the other kernels.

    Returns:
        The points, and each particle's probability of acceptance.
    """
    at = point.at
    assert at is not None
    x, proposed, momentum = leapfrog(point.x, at, evaluate, noise, size, leaps)
    kinetic = (noise.square() - momentum.square()).sum(-1)
    end = judge(Point(x, proposed))
    acceptance = _chance(rise(point, end) + 0.5 * kinetic)
    return end.where(uniform < acceptance, point), acceptance


def unadjusted_hmc(
    point: Point,
    evaluate: Evaluate,
    noise: Float[Tensor, "L D"],
    size: Float[Tensor, "#L #D"],
    leaps: int,
) -> Point:
    """One unadjusted Hamiltonian trajectory; biased by O(size) (Bou-Rabee and Eberle 2023)."""
    at = point.at if point.at is not None else evaluate(point.x)
    x, end, _ = leapfrog(point.x, at, evaluate, noise, size, leaps)
    return Point(x, end)


def leapfrog(
    x: Float[Tensor, "L D"],
    at: Evaluation,
    evaluate: Evaluate,
    momentum: Float[Tensor, "L D"],
    size: Float[Tensor, "#L #D"],
    leaps: int,
) -> tuple[Float[Tensor, "L D"], Evaluation, Float[Tensor, "L D"]]:
    """The end of a trajectory, the experts there, and its momentum."""
    step = size.sqrt()
    momentum = momentum + 0.5 * step * at.drift
    for leap in range(leaps):
        x = x + step * momentum
        at = evaluate(x)
        momentum = momentum + (0.5 if leap == leaps - 1 else 1.0) * step * at.drift
    return x, at, momentum


def _chance(log_ratio: Float[Tensor, " L"]) -> Float[Tensor, " L"]:
    return log_ratio.clamp_(max=0.0).exp_().nan_to_num_(nan=0.0)


def followed(narrowing: float, target: float, steps: int) -> float:
    """The factor of a step size where the target has become narrower by `narrowing`: no less than
    what the adaptation of so many accepted steps restores.

    Args:
        target: the acceptance rate that the step size adapts to.
    """
    return max(narrowing, math.exp(steps * (target - 1)))


def adapted(
    size: Float[Tensor, "S 1"], acceptance: Float[Tensor, "S 1"], target: float
) -> Float[Tensor, "S 1"]:
    """The step size of each island, moved towards an acceptance target."""
    return size * (acceptance - target).exp_()
