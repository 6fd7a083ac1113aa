"""What a particle carries, in one structure that is gathered once when particles are resampled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

Rows = TypeVar("Rows", bound="Gathered")


class Gathered:
    """A frozen dataclass whose every tensor has one row a particle."""

    def gather(self: Rows, index: Int[Tensor, " L"]) -> Rows:
        """The rows named by ``index``, of every field."""
        return self._each(lambda rows: rows.index_select(0, index))

    def where(self: Rows, keep: Bool[Tensor, " L"], other: Rows) -> Rows:
        """Rows of this where ``keep``, of the other elsewhere."""
        count = keep.shape[0]
        index = torch.arange(count, device=keep.device).add_(~keep, alpha=count)

        def chosen(own: Tensor, rest: Tensor) -> Tensor:
            if own.dim() == 1:
                return torch.where(keep, own, rest)
            return torch.cat((own, rest)).index_select(0, index)

        return self._each(chosen, other)

    def zeros(self: Rows) -> Rows:
        """Zeros throughout."""
        return self._each(torch.zeros_like)

    def detached(self: Rows) -> Rows:
        """The same values outside of any graph."""
        return self._each(Tensor.detach)

    def joined(self: Rows, others: list[Rows]) -> Rows:
        """The rows of this and the others, one after another."""
        return self._each(lambda *rows: torch.cat(rows), *others)

    def _each(self: Rows, act: Callable[..., Tensor], *others: Rows) -> Rows:
        """What ``act`` makes of every field that is there."""
        values = _values(type(self))  # type: ignore[arg-type]
        rows = zip(values(self), *map(values, others), strict=True)
        return type(self)(*[_acted(act, *row) for row in rows])


def _acted(act: Callable[..., Tensor], own: Any, *rest: Any) -> Any:
    """What ``act`` makes of a tensor, of every one in a tuple, or of a structure's."""
    if own is None:
        return None
    if isinstance(own, Gathered):
        return own._each(act, *rest)
    if isinstance(own, tuple):
        return tuple(_acted(act, *each) for each in zip(own, *rest, strict=True))
    return act(own, *rest)


@cache
def _values(kind: type) -> Callable[[Any], tuple[Any, ...]]:
    return attrgetter(*(field.name for field in fields(kind)))


@dataclass(frozen=True, slots=True)
class Evaluation(Gathered):
    """All experts at one point of one stage.

    Attributes:
        score: S = sum_i w_i s_i.
        squares: sum_i w_i |s_i|^2, where the correction needs it.
        log_density: sum_i w_i log p_i,t, where every expert has a density.
        endpoint: the predicted endpoint, where rewards need it; of prefixes wider than they are.
        guide: log q_t, the differentiable rewards and relaxed conditions at the predicted endpoint.
        guide_score: the gradient of it that moves and kernels follow.
        fields: the b_k that a control drift is made of, where one is asked for.
        gains: what the log-weight rate gains by each, div b_k + b_k . S.
        untempered: of the tempering path, log of the product without its conditions.
        excess: of prefixes, log of the product over the density that proposes.
        each: every expert's own score, zero outside its part, where that is asked for.
    """

    score: Float[Tensor, "L D"]
    squares: Float[Tensor, " L"] | None = None
    log_density: Float[Tensor, " L"] | None = None
    endpoint: Float[Tensor, "L whole"] | None = None
    guide: Float[Tensor, " L"] | None = None
    guide_score: Float[Tensor, "L D"] | None = None
    untempered: Float[Tensor, " L"] | None = None
    excess: Float[Tensor, " L"] | None = None
    each: Float[Tensor, "L E D"] | None = None
    fields: Float[Tensor, "L K D"] | None = None
    gains: Float[Tensor, "L K"] | None = None

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
class Point(Gathered):
    """Where the particles are.

    Attributes:
        at: the experts there; None where they are not evaluated yet.
        reward: the black-box rewards there, where a kernel accepts by them.
    """

    x: Float[Tensor, "L D"]
    at: Evaluation | None = None
    reward: Float[Tensor, " L"] | None = None


@dataclass(frozen=True, slots=True)
class Particles(Gathered):
    """The population.

    Attributes:
        x: positions, in the coordinates of the path, or symbols.
        at: the experts there, or what they make of a prefix; None after a move whose end no expert
            can judge.
        log_weights: since the last resampling, with what was banked before it apart.
        carried: the reward last counted in the weight, of the differentiable rewards.
        reward: the last of the black-box rewards.
        counted: what they have put into the weight, for the exact reward at the end to replace.
        peak: what a potential remembers of earlier rewards.
        ancestors: the slot at the start of the run that each particle descends from.
        trail: predicted endpoints at the stages that are to be shown, each its own line's.
    """

    x: Shaped[Tensor, "L D"]
    log_weights: Float[Tensor, " L"]
    carried: Float[Tensor, " L"]
    reward: Float[Tensor, " L"]
    counted: Float[Tensor, " L"]
    peak: Float[Tensor, " L"]
    eve_indices: Int[Tensor, " L"]
    at: Gathered | None = None
    trail: tuple[Float[Tensor, "L whole"], ...] = ()
