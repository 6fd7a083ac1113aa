"""Experts conditioned on their parents: a velocity that is drawn to theirs (Zhang et al., Eq. 6).

With the data-ward velocity v = x_1 - eps of a rectified flow, which sees z = x / (alpha + sigma),

    v_i <- v_i - w grad_z |v_i(z) - v_parent|^2,    v = (x + sigma (alpha + sigma) score) / alpha

and v_parent held fixed. Each further update takes the gradient at the point displaced by the
corrections so far, and adds its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from poedsl.experts.protocol import Generative
from poedsl.runtime.path.noising_path import Stage
from poedsl.runtime.space.coordinates import Space
from poedsl.runtime.space.parts import PlacedFactor


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
    """`guide(weight, updates)` for one expert."""

    weight: float
    updates: int
    parents: tuple[Parent, ...]


def parent_guidance(
    placed: Sequence[PlacedFactor], space: Space, weight: float, updates: int
) -> dict[str, ParentGuidance]:
    """For each expert that is given parents, what draws it to them."""
    out = {}
    for site in placed:
        if site.factor.given:
            name = site.factor.given
            above = [s for s in placed if _is_parent(s, name)]
            index = _within(site.part.index, space.slice(name).start)
            shares = _shares(above, len(space.loc[space.slice(name)]), space.loc.device)
            parents = (
                Parent(s.factor.name, index, w[index]) for s, w in zip(above, shares, strict=True)
            )
            out[site.factor.name] = ParentGuidance(weight, updates, tuple(parents))
    return out


def _is_parent(site: PlacedFactor, variable: str) -> bool:
    """Whether a statement is on the whole of a variable, and itself has no parents."""
    factor = site.factor
    return factor.variables[0] == variable and factor.part is None and not factor.given


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
    x: Float[Tensor, "L D"], score: Float[Tensor, "L D"], stage: Stage
) -> Float[Tensor, "L D"]:
    """E[x_1 - eps | x_t] from the score of the noised marginal."""
    return (x + stage.sigma * (stage.alpha + stage.sigma) * score) / stage.alpha


def guided_score(
    expert: Generative,
    x: Float[Tensor, "L D"],
    parent: Float[Tensor, "L D"],
    guidance: ParentGuidance,
    stage: Stage,
) -> Float[Tensor, "L D"]:
    """The score of an expert that is given its parents, whose score is ``parent``.

    It is differentiable in ``x`` where that is asked for, with the correction held fixed.
    """
    scale, follows = stage.alpha + stage.sigma, x.requires_grad
    target_velocity = velocity(x, parent, stage).detach()
    shift = torch.zeros_like(x)
    first_score: Tensor | None = None
    with torch.enable_grad():
        for _ in range(guidance.updates):
            moved = (x + scale * shift).detach().requires_grad_()
            point = x if first_score is None and follows else moved
            score = expert.noised(point, stage.alpha, stage.sigma).score
            miss = (velocity(point, score, stage) - target_velocity).square().sum()
            (slope,) = torch.autograd.grad(
                miss, point, retain_graph=follows and first_score is None
            )
            first_score = score if first_score is None else first_score
            shift = (shift - guidance.weight * scale * slope).detach()
    assert first_score is not None
    guided = first_score if follows else first_score.detach()
    return guided + stage.alpha / (stage.sigma * scale) * shift
