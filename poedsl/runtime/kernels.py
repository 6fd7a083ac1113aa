"""Markov kernels that aim at one stage's target, rewards included: points in, points and the
probabilities of acceptance out.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.runtime.state import Evaluation, Point

Evaluate = Callable[[Float[Tensor, "L D"]], Evaluation]


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
    x = point.x + 0.5 * size * at.drift + size.sqrt() * noise
    return Point(x)


def mala(
    point: Point,
    evaluate: Evaluate,
    noise: Float[Tensor, "L D"],
    uniform: Float[Tensor, " L"],
    size: Float[Tensor, "#L 1"],
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
    log_ratio = (proposed.log_target - at.log_target).sub_(back, alpha=0.5)
    acceptance = _chance(log_ratio)
    return Point(x, proposed).where(uniform < acceptance, point), acceptance


def walk(
    point: Point,
    evaluate: Evaluate,
    noise: Float[Tensor, "L D"],
    uniform: Float[Tensor, " L"],
    size: Float[Tensor, "#L 1"],
) -> tuple[Point, Float[Tensor, " L"]]:
    """One random-walk Metropolis step of variance ``size``, exactly invariant (Metropolis 1953).

    Returns:
        The points, and each particle's probability of acceptance.
    """
    at = point.at
    assert at is not None
    x = torch.addcmul(point.x, size.sqrt(), noise)
    proposed = evaluate(x)
    acceptance = _chance(proposed.log_target - at.log_target)
    return Point(x, proposed).where(uniform < acceptance, point), acceptance


def hmc(
    point: Point,
    evaluate: Evaluate,
    noise: Float[Tensor, "L D"],
    uniform: Float[Tensor, " L"],
    size: Float[Tensor, "#L 1"],
    leaps: int,
) -> tuple[Point, Float[Tensor, " L"]]:
    """One step of Hamiltonian Monte Carlo, exactly invariant (Neal 2011).

    Args:
        size: the square of a leap's length, as of the other kernels.

    Returns:
        The points, and each particle's probability of acceptance.
    """
    at = point.at
    assert at is not None
    x, end, momentum = leapfrog(point.x, at, evaluate, noise, size, leaps)
    kinetic = (noise.square() - momentum.square()).sum(-1)
    acceptance = _chance(end.log_target - at.log_target + 0.5 * kinetic)
    return Point(x, end).where(uniform < acceptance, point), acceptance


def uhmc(
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


#: Acceptance that step sizes adapt to (Roberts and Rosenthal 2001; Beskos et al. 2013).
ACCEPTANCE = {"mala": 0.574, "hmc": 0.651, "walk": 0.3}


def adapted(
    size: Float[Tensor, "S 1"], acceptance: Float[Tensor, "S 1"], target: float
) -> Float[Tensor, "S 1"]:
    """The step size of each swarm, moved towards an acceptance target."""
    return size * (acceptance - target).exp_()
