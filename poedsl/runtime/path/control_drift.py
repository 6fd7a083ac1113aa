"""Control drifts: what the weights of the path would vary by, moved into the drift (DriftLite, Ren
et al. 2025, extended to products).

Any drift v may be added to a move if the log-weight rate gains div v + v . S, the divergence of v
under the target: the weighted particles aim at pi_t as before. Here v = sum_k theta_k b_k with
b_i = s_i + x for each expert, which is zero on pure noise, and b_0 = alpha x. At every stage each
island takes the theta that minimises the weighted variance of its particles' rates, a small
least-squares problem. On Gaussians with spherical covariances that variance is zero.

The divergence of a score is known for Gaussians and mixtures. Of a learned score it is estimated
by z . (ds/dx) z with random signs z (Hutchinson 1989), fresh for each particle and stage. Errors
of log-weights are then independent but for neighbouring stages, and of variance h^2 in a stage of
length h, so that all stages together add O(h) to the variance and to the bias of the evidence, no
more than moves of finite length do. Signs that stayed the same would add O(1).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.experts.protocol import Divergent, Generative, Noised
from poedsl.runtime.core.particles import Evaluation

#: Directions in which the scaled gains vary less than this share of the most are left alone.
CUT = 1e-6


@dataclass(frozen=True, slots=True)
class Control:
    """The coefficients theta that a drift has in each island."""

    theta: Float[Tensor, "S K"]

    def drift(self, at: Evaluation) -> Float[Tensor, "L D"]:
        """v = sum_k theta_k b_k."""
        assert at.fields is not None
        return torch.einsum("lk,lkd->ld", self._each(at.fields), at.fields)

    def gain(self, at: Evaluation) -> Float[Tensor, " L"]:
        """What the log-weight rate gains by the drift: div v + v . S."""
        assert at.gains is not None
        return (self._each(at.gains) * at.gains).sum(-1)

    def _each(self, rows: Float[Tensor, "L ..."]) -> Float[Tensor, "L K"]:
        repeated = self.theta.repeat_interleave(len(rows) // len(self.theta), 0)
        return repeated.to(rows)


def fitted(
    rate: Float[Tensor, " L"],
    gains: Float[Tensor, "L K"],
    log_weights: Float[Tensor, " L"],
    islands: int,
) -> Control:
    """The theta of least weighted variance of rate + theta . gains, for each island.

    Of several it is the shortest in units of the gains' spreads.
    """
    weights = log_weights.view(islands, -1).softmax(-1).nan_to_num()[..., None]
    columns = torch.cat([rate[:, None], gains], 1).double().nan_to_num(posinf=0.0, neginf=0.0)
    rows = columns.view(islands, -1, columns.shape[-1])
    centred = (rows - (weights * rows).sum(1, keepdim=True)) * weights.sqrt()
    covariance = centred.mT @ centred
    spread = covariance.diagonal(dim1=-2, dim2=-1)[:, 1:].sqrt().clamp(min=1e-12)
    scaled = covariance[:, 1:, 1:] / (spread[:, :, None] * spread[:, None, :])
    inverse = torch.linalg.pinv(scaled, rtol=CUT, hermitian=True)
    slopes = covariance[:, 1:, 0] / spread
    return Control(-(inverse @ slopes[..., None])[..., 0] / spread)


@dataclass(slots=True)
class Basis:
    """The fields b_k at points of a stage, gathered expert by expert, and their divergences."""

    x: Float[Tensor, "L D"]
    alpha: float
    fields: dict[str, Tensor] = field(default_factory=dict)
    divergences: dict[str, Tensor] = field(default_factory=dict)

    def add(self, name: str, part: Float[Tensor, "L D"], divergence: Float[Tensor, " L"]) -> None:
        """Add a field; those of one name, such as the parts of a loop, share a coefficient."""
        self.fields[name] = self.fields.get(name, 0) + part
        self.divergences[name] = self.divergences.get(name, 0) + divergence

    def at(self, score: Float[Tensor, "L D"]) -> tuple[Tensor, Tensor]:
        """The fields (L, K, D) and their gains div b_k + b_k . S (L, K)."""
        fields = torch.stack([*self.fields.values(), self.alpha * self.x], 1)
        divergence = self.x.new_full((len(self.x),), self.alpha * self.x.shape[-1])
        divergences = torch.stack([*self.divergences.values(), divergence], 1)
        return fields, divergences + torch.einsum("lkd,ld->lk", fields, score)


def diverged(
    expert: Generative,
    x: Float[Tensor, "L D"],
    alpha: float,
    sigma: float,
    signs: Float[Tensor, "L D"],
) -> tuple[Noised, Float[Tensor, " L"]]:
    """An expert's noised marginal, and the divergence of its score: known, or estimated."""
    if isinstance(expert, Divergent):
        return expert.noised(x, alpha, sigma), expert.divergence(x, alpha, sigma)
    requires_grad = x.requires_grad
    with torch.enable_grad():
        point = x if requires_grad else x.detach().requires_grad_()
        noised = expert.noised(point, alpha, sigma)
    (turned,) = torch.autograd.grad(noised.score, point, signs, retain_graph=requires_grad)
    if not requires_grad:
        log_density = noised.log_density
        noised = Noised(
            noised.score.detach(), None if log_density is None else log_density.detach()
        )
    return noised, (turned * signs).sum(-1)
