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
    acceptance = log_ratio.clamp(max=0.0).exp().nan_to_num(nan=0.0)
    kept = _Point(x, proposed).where(uniform < acceptance, _Point(particles.x, at))
    return replace(particles, x=kept.x, at=kept.at), acceptance


@dataclass(frozen=True, slots=True)
class _Point(Gathered):
    x: Float[Tensor, "L D"]
    at: Evaluation


def adapted(
    size: Float[Tensor, "S 1"], acceptance: Float[Tensor, " L"], target: float = 0.574
) -> Float[Tensor, "S 1"]:
    """The step size of each swarm, moved towards an acceptance target (optimal scaling of MALA)."""
    mean = acceptance.view(len(size), -1).mean(-1, keepdim=True)
    return size * torch.exp(mean - target)
