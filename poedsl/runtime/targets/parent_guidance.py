"""Experts conditioned on their parents: a velocity that is drawn to theirs (Zhang et al., Eq. 6).

With the data-ward velocity v = x_1 - eps of a rectified flow, which sees z = x / (alpha + sigma),

    v_i <- v_i - w grad_z |v_i(z) - v_parent|^2,    v = (x + sigma (alpha + sigma) score) / alpha

and v_parent held fixed. Each further update takes the gradient at the point displaced by the
corrections so far, and adds its own.

The gradient is 2 J^T u with J the Jacobian of v_i at z and u = v_i - v_parent. The velocity of a
density has a symmetric J, since its score is a gradient, so that J^T u = J u is also the difference
(v_i(z + h u) - v_i(z)) / h: one more evaluation in place of a backward pass.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from poedsl.experts.protocol import Generative
from poedsl.runtime.path.noising_path import NoisingStage
from poedsl.runtime.space.coordinates import Space
from poedsl.runtime.space.parts import PlacedFactor
from poedsl.runtime.terms.refusals import refused

#: How far forward differences go, in units of z times the root of the number of components: far
#: enough for networks in half precision.
FORWARD_STEP = 0.02


@dataclass(frozen=True, slots=True)
class Parent:
    """An expert on the whole, and its share in the velocity of all parents.

    Attributes:
        index: the conditioned expert's components, counted from the whole's first.
    """

    name: str
    index: slice | Int[Tensor, " d"]
    share: Float[Tensor, "#d"]


@dataclass(frozen=True, slots=True)
class ParentGuidance:
    """`guide(weight, updates, gradient)` for one expert.

    Attributes:
        forward: whether gradients are forward differences.
    """

    weight: float
    updates: int
    parents: tuple[Parent, ...]
    forward: bool = False

    @property
    def evaluations(self) -> int:
        """Evaluations of the expert at one point of a run."""
        return self.updates * (2 if self.forward else 1)


def parent_guidance(
    placed: Sequence[PlacedFactor], space: Space, guide: ParentGuidance
) -> dict[str, ParentGuidance]:
    """For each expert that is given parents, what draws it to them: a guide with its parents.

    Raises:
        PoeError: there are no parents (P0412).
    """
    out = {}
    for placed_factor in placed:
        if placed_factor.factor.given:
            name = placed_factor.factor.given
            above = [s for s in placed if s.factor.is_parent and s.factor.variables[0] == name]
            if not above:
                message = f"`{name}` has no parent: loops over its statements have no elements"
                raise refused("P0412", message, factor=placed_factor.factor)
            index = _within(placed_factor.part.index, space.slice(name).start)
            shares = _shares(above, len(space.loc[space.slice(name)]), space.loc.device)
            parents = (
                Parent(s.factor.name, index, w[index]) for s, w in zip(above, shares, strict=True)
            )
            out[placed_factor.factor.name] = replace(guide, parents=tuple(parents))
    return out


def _within(index: slice | Int[Tensor, " d"], start: int) -> slice | Int[Tensor, " d"]:
    if isinstance(index, slice):
        return slice(index.start - start, index.stop - start)
    return index - start


def _shares(parents: Sequence[PlacedFactor], size: int, device: torch.device) -> list[Tensor]:
    """Exponents scaled to sum to one; where they sum to nothing, parents count alike."""
    exponents = [torch.as_tensor(s.exponent, device=device).expand(size) for s in parents]
    total = torch.stack(exponents).sum(0)
    alike = torch.full((size,), 1 / len(parents), dtype=torch.float32, device=device)
    return [torch.where(total > 0, w / total.where(total > 0, 1.0), alike) for w in exponents]


def velocity(
    x: Float[Tensor, "L D"], score: Float[Tensor, "L D"], stage: NoisingStage
) -> Float[Tensor, "L D"]:
    """E[x_1 - eps | x_t] from the score of the noised marginal."""
    return (x + stage.sigma * (stage.alpha + stage.sigma) * score) / stage.alpha


def guided_score(
    expert: Generative,
    x: Float[Tensor, "L D"],
    parent: Float[Tensor, "L D"],
    guidance: ParentGuidance,
    stage: NoisingStage,
) -> Float[Tensor, "L D"]:
    """The score of an expert that is given its parents, whose score is ``parent``.

    It is differentiable in ``x`` where that is asked for, with the correction held fixed.
    """
    scale, follows = stage.alpha + stage.sigma, x.requires_grad
    target_velocity = velocity(x, parent, stage).detach()
    shift = torch.zeros_like(x)
    first_score: Tensor | None = None
    for _ in range(guidance.updates):
        point = x if first_score is None and follows else (x + scale * shift).detach()
        slope = _forward_slope if guidance.forward else _backward_slope
        score, gradient = slope(expert, point, target_velocity, stage)
        first_score = score if first_score is None else first_score
        shift = shift - guidance.weight * gradient
    assert first_score is not None
    guided = first_score if follows else first_score.detach()
    return guided + stage.alpha / (stage.sigma * scale) * shift


def _backward_slope(
    expert: Generative,
    x: Float[Tensor, "L D"],
    target_velocity: Float[Tensor, "L D"],
    stage: NoisingStage,
) -> tuple[Float[Tensor, "L D"], Float[Tensor, "L D"]]:
    """The expert's score, and the gradient of the squared gap with respect to z."""
    follows = x.requires_grad
    with torch.enable_grad():
        point = x if follows else x.detach().requires_grad_()
        score = expert.noised(point, stage.alpha, stage.sigma).score
        gap = (velocity(point, score, stage) - target_velocity).square().sum()
        (slope,) = torch.autograd.grad(gap, point, retain_graph=follows)
    return score, (stage.alpha + stage.sigma) * slope.detach()


def _forward_slope(
    expert: Generative,
    x: Float[Tensor, "L D"],
    target_velocity: Float[Tensor, "L D"],
    stage: NoisingStage,
) -> tuple[Float[Tensor, "L D"], Float[Tensor, "L D"]]:
    """The same, where the Jacobian of the velocity is symmetric."""
    with torch.set_grad_enabled(x.requires_grad):
        score = expert.noised(x, stage.alpha, stage.sigma).score
    with torch.no_grad():
        here, scale = velocity(x, score, stage), stage.alpha + stage.sigma
        gap = here - target_velocity
        reach, length = FORWARD_STEP * math.sqrt(x.shape[1]), gap.norm(dim=-1, keepdim=True)
        ahead = x + scale * reach * gap / length.clamp(min=torch.finfo(x.dtype).tiny)
        there = velocity(ahead, expert.noised(ahead, stage.alpha, stage.sigma).score, stage)
        return score, 2 * (there - here) * length / reach
