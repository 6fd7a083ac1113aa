"""What a particle carries, in one structure that is gathered once when particles are resampled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any, TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

Rows = TypeVar("Rows", bound="Gathered")


class Gathered:
    """A frozen dataclass whose every tensor has one row a particle."""

    def gather(self: Rows, index: Int[Tensor, " L"]) -> Rows:
        """The rows named by ``index``, of every field."""
        return replace(
            self,
            **{
                k: v.gather(index) if isinstance(v, Gathered) else v[index] for k, v in self._rows()
            },
        )  # type: ignore[type-var]

    def where(self: Rows, keep: Bool[Tensor, " L"], other: Rows) -> Rows:
        """Rows of this where ``keep``, of the other elsewhere."""
        return self._choose(keep, other, {})

    def _choose(self: Rows, keep: Tensor, other: Rows, masks: dict[torch.Size, Tensor]) -> Rows:
        """`where`, with one mask a shape laid out in full: broadcasting is ten times slower."""
        chosen: dict[str, Any] = {}
        for name, own in self._rows():
            theirs = getattr(other, name)
            if isinstance(own, Gathered):
                chosen[name] = own._choose(keep, theirs, masks)
                continue
            if own.shape not in masks:
                wide = keep.view(-1, *(1,) * (own.dim() - 1)).expand(own.shape)
                masks[own.shape] = wide.contiguous()
            chosen[name] = torch.where(masks[own.shape], own, theirs)
        return replace(self, **chosen)  # type: ignore[type-var]

    def zeros(self: Rows) -> Rows:
        """Zeros throughout."""
        return replace(self, **{k: torch.zeros_like(v) for k, v in self._rows()})  # type: ignore[type-var]

    def detached(self: Rows) -> Rows:
        """The same values outside of any graph."""
        return replace(self, **{k: v.detach() for k, v in self._rows()})  # type: ignore[type-var]

    def joined(self: Rows, others: list[Rows]) -> Rows:
        """The rows of this and the others, one after another."""
        each = {k: torch.cat([v, *(getattr(o, k) for o in others)]) for k, v in self._rows()}
        return replace(self, **each)  # type: ignore[type-var]

    def _rows(self) -> Iterator[tuple[str, Any]]:
        for name in _names(type(self)):  # type: ignore[arg-type]
            value = getattr(self, name)
            if value is not None:
                yield name, value


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


@dataclass(frozen=True, slots=True)
class Evaluation(Gathered):
    """All experts at one point of one stage.

    Attributes:
        score: S = sum_i w_i s_i.
        squares: sum_i w_i |s_i|^2, where the correction needs it.
        log_density: sum_i w_i log p_i,t, where every expert has a density.
        endpoint: the predicted endpoint, where rewards need it.
        guide: log q_t, the differentiable rewards and relaxed conditions at the predicted endpoint.
        guide_score: the gradient of it that moves and kernels follow.
    """

    score: Float[Tensor, "L D"]
    squares: Float[Tensor, " L"] | None = None
    log_density: Float[Tensor, " L"] | None = None
    endpoint: Float[Tensor, "L D"] | None = None
    guide: Float[Tensor, " L"] | None = None
    guide_score: Float[Tensor, "L D"] | None = None

    @property
    def drift(self) -> Float[Tensor, "L D"]:
        """The gradient of the log target, rewards included."""
        return self.score if self.guide_score is None else self.score + self.guide_score

    @property
    def log_target(self) -> Float[Tensor, " L"]:
        """Log pi_t + log q_t; only where every expert has a density."""
        assert self.log_density is not None
        return self.log_density if self.guide is None else self.log_density + self.guide


@dataclass(frozen=True, slots=True)
class Particles(Gathered):
    """The population.

    Attributes:
        x: positions, in the coordinates of the path.
        at: the experts there; None after a move whose end no expert can judge.
        log_weights: since the last resampling, with what was banked before it apart.
        carried: the reward last counted in the weight, of the differentiable rewards.
        reward: the last of the black-box rewards.
        counted: what they have put into the weight, for the exact reward at the end to replace.
        peak: what a potential remembers of earlier rewards.
        ancestors: the slot at the start of the run that each particle descends from.
    """

    x: Float[Tensor, "L D"]
    log_weights: Float[Tensor, " L"]
    carried: Float[Tensor, " L"]
    reward: Float[Tensor, " L"]
    counted: Float[Tensor, " L"]
    peak: Float[Tensor, " L"]
    ancestors: Int[Tensor, " L"]
    at: Evaluation | None = None
