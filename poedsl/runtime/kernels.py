"""Markov kernels that aim at one stage's target, rewards included: state in, state and acceptance
out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.runtime.state import Evaluation, Gathered, Particles

Evaluate = Callable[[Float[Tensor, "L D"]], Evaluation]


def langevin(
    particles: Particles,
    evaluate: Evaluate,
    noise: Float[Tensor, "L D"],
    size: Float[Tensor, "#L #D"],
) -> Particles:
    """One unadjusted Langevin step of variance ``size``; biased by O(size) (Zhang et al., C.1).

    The experts at the new point are left to whoever needs them next.
    """
    at = particles.at if particles.at is not None else evaluate(particles.x)
    x = particles.x + 0.5 * size * at.drift + size.sqrt() * noise
    return replace(particles, x=x, at=None)


def mala(
    particles: Particles,
    evaluate: Evaluate,
    noise: Float[Tensor, "L D"],
    uniform: Float[Tensor, " L"],
    size: Float[Tensor, "#L 1"],
) -> tuple[Particles, Float[Tensor, " L"]]:
    """One Metropolis-adjusted Langevin step, exactly invariant (Roberts and Tweedie 1996).

    Returns:
        The population, and each particle's probability of acceptance.
    """
    at = particles.at
    assert at is not None
    half = 0.5 * size
    x = torch.addcmul(particles.x, half, at.drift).addcmul_(size.sqrt(), noise)
    proposed = evaluate(x)
    back = torch.addcmul(particles.x - x, half, proposed.drift, value=-1.0).square_()
    distance = torch.addcdiv(noise.square(), back, size, value=-1.0).sum(-1)
    log_ratio = (proposed.log_target - at.log_target).add_(distance, alpha=0.5)
    acceptance = _chance(log_ratio)
    kept = _Point(x, proposed).where(uniform < acceptance, _Point(particles.x, at))
    return replace(particles, x=kept.x, at=kept.at), acceptance


def walk(
    particles: Particles,
    evaluate: Evaluate,
    noise: Float[Tensor, "L D"],
    uniform: Float[Tensor, " L"],
    size: Float[Tensor, "#L 1"],
) -> tuple[Particles, Float[Tensor, " L"]]:
    """One random-walk Metropolis step of variance ``size``, exactly invariant (Metropolis 1953).

    Returns:
        The population, and each particle's probability of acceptance.
    """
    at = particles.at
    assert at is not None
    x = torch.addcmul(particles.x, size.sqrt(), noise)
    proposed = evaluate(x)
    acceptance = _chance(proposed.log_target - at.log_target)
    kept = _Point(x, proposed).where(uniform < acceptance, _Point(particles.x, at))
    return replace(particles, x=kept.x, at=kept.at), acceptance


def hmc(
    particles: Particles,
    evaluate: Evaluate,
    noise: Float[Tensor, "L D"],
    uniform: Float[Tensor, " L"],
    size: Float[Tensor, "#L 1"],
    leaps: int,
) -> tuple[Particles, Float[Tensor, " L"]]:
    """One step of Hamiltonian Monte Carlo, exactly invariant (Neal 2011).

    Args:
        size: the square of a leap's length, as of the other kernels.

    Returns:
        The population, and each particle's probability of acceptance.
    """
    at = particles.at
    assert at is not None
    end, momentum = leapfrog(particles.x, at, evaluate, noise, size, leaps)
    kinetic = (noise.square() - momentum.square()).sum(-1)
    acceptance = _chance(end.at.log_target - at.log_target + 0.5 * kinetic)
    kept = end.where(uniform < acceptance, _Point(particles.x, at))
    return replace(particles, x=kept.x, at=kept.at), acceptance


def uhmc(
    particles: Particles,
    evaluate: Evaluate,
    noise: Float[Tensor, "L D"],
    size: Float[Tensor, "#L #D"],
    leaps: int,
) -> Particles:
    """One unadjusted Hamiltonian trajectory; biased by O(size) (Bou-Rabee and Eberle 2023)."""
    at = particles.at if particles.at is not None else evaluate(particles.x)
    end, _ = leapfrog(particles.x, at, evaluate, noise, size, leaps)
    return replace(particles, x=end.x, at=end.at)


def leapfrog(
    x: Float[Tensor, "L D"],
    at: Evaluation,
    evaluate: Evaluate,
    momentum: Float[Tensor, "L D"],
    size: Float[Tensor, "#L #D"],
    leaps: int,
) -> tuple[_Point, Float[Tensor, "L D"]]:
    """The end of a trajectory, and the momentum there."""
    step = size.sqrt()
    momentum = momentum + 0.5 * step * at.drift
    for leap in range(leaps):
        x = x + step * momentum
        at = evaluate(x)
        momentum = momentum + (0.5 if leap == leaps - 1 else 1.0) * step * at.drift
    return _Point(x, at), momentum


def _chance(log_ratio: Float[Tensor, " L"]) -> Float[Tensor, " L"]:
    return log_ratio.clamp(max=0.0).exp().nan_to_num(nan=0.0)


@dataclass(frozen=True, slots=True)
class _Point(Gathered):
    x: Float[Tensor, "L D"]
    at: Evaluation


#: Acceptance that step sizes adapt to (Roberts and Rosenthal 2001; Beskos et al. 2013).
ACCEPTANCE = {"mala": 0.574, "hmc": 0.651, "walk": 0.3}


def adapted(
    size: Float[Tensor, "S 1"], acceptance: Float[Tensor, " L"], target: float
) -> Float[Tensor, "S 1"]:
    """The step size of each swarm, moved towards an acceptance target."""
    mean = acceptance.view(len(size), -1).mean(-1, keepdim=True)
    return size * torch.exp(mean - target)
