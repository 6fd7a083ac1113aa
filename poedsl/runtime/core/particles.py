"""What particles carry, in one structure that resampling gathers once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache, partial
from operator import attrgetter
from typing import Any, TypeVar

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from poedsl.runtime.core.state import SavedState

Rows = TypeVar("Rows", bound="ParticleTensors")


class ParticleTensors:
    """A frozen dataclass whose every tensor has one row a particle."""

    def gather(self: Rows, index: Int[Tensor, " L"]) -> Rows:
        """The rows named by ``index``, of every field."""
        return self._each(lambda rows: rows.index_select(0, index))

    def where(self: Rows, keep: Bool[Tensor, " L"], other: Rows) -> Rows:
        """Rows of this where ``keep``, of the other elsewhere."""
        count = keep.shape[0]
        index = torch.arange(count, device=keep.device).add_(~keep, alpha=count)
        return self._each(partial(_rows_where, keep, index), other)

    def zeros(self: Rows) -> Rows:
        """Zeros throughout."""
        return self._each(torch.zeros_like)

    def detached(self: Rows) -> Rows:
        """The same values outside of any graph."""
        return self._each(Tensor.detach)

    def joined(self: Rows, others: list[Rows]) -> Rows:
        """The rows of this and the others, one after another."""
        return self._each(lambda *rows: torch.cat(rows), *others)

    def state(self) -> SavedState:
        """Every field by its name."""
        names = (field.name for field in fields(self))  # type: ignore[arg-type]
        values = _values(type(self))(self)  # type: ignore[arg-type]
        parts = (v.state() if isinstance(v, ParticleTensors) else v for v in values)
        return dict(zip(names, parts, strict=True))

    @classmethod
    def restored(cls: type[Rows], state: SavedState) -> Rows:
        """From the `state` of one without structures among its fields."""
        return cls(**{name: _tuples(value) for name, value in state.items()})

    def _each(self: Rows, act: Callable[..., Tensor], *others: Rows) -> Rows:
        """What ``act`` makes of every field that is there."""
        values = _values(type(self))  # type: ignore[arg-type]
        rows = zip(values(self), *map(values, others), strict=True)
        return type(self)(*[_acted(act, *row) for row in rows])


def _rows_where(
    keep: Bool[Tensor, " L"], index: Int[Tensor, " L"], first: Tensor, second: Tensor
) -> Tensor:
    """Rows of one tensor or the other; ``index`` says which, of both one after the other."""
    if first.dim() == 1:
        return torch.where(keep, first, second)
    return torch.cat((first, second)).index_select(0, index)


def _acted(act: Callable[..., Tensor], value: Any, *others: Any) -> Any:
    """What ``act`` makes of a tensor, of every one in a tuple, or of a structure's."""
    if value is None:
        return None
    if isinstance(value, ParticleTensors):
        return value._each(act, *others)
    if isinstance(value, tuple):
        return tuple(_acted(act, *items) for items in zip(value, *others, strict=True))
    return act(value, *others)


def _tuples(value: Any) -> Any:
    """A field with tuples in the place of lists."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


@cache
def _values(kind: type) -> Callable[[Any], tuple[Any, ...]]:
    return attrgetter(*(field.name for field in fields(kind)))


@dataclass(frozen=True, slots=True)
class Evaluation(ParticleTensors):
    """All experts at one point of one stage.

    Attributes:
        score: S = sum_i w_i s_i.
        squares: sum_i w_i |s_i|^2, where the correction needs it.
        log_density: sum_i w_i log p_i,t, where every expert has a density.
        endpoint: the predicted endpoint, where rewards need it; of prefixes wider than they are.
        log_reward: log q_t, the differentiable rewards and relaxed constraints at the predicted
            endpoint.
        reward_score: its gradient, which moves and kernels follow.
        untempered: of the tempering path, log of the product without its constraints.
        base: of the tempering path, log p_0; None at its end.
        over_proposal: of prefixes, log of the product over the density that proposes.
        expert_scores: every expert's own score, zero outside its part, where that is asked for.
        fields: the b_k that a control drift is made of, where one is asked for.
        gains: what the log-weight rate gains by each, div b_k + b_k . S.
    """

    score: Float[Tensor, "L D"]
    squares: Float[Tensor, " L"] | None = None
    log_density: Float[Tensor, " L"] | None = None
    endpoint: Float[Tensor, "L whole"] | None = None
    log_reward: Float[Tensor, " L"] | None = None
    reward_score: Float[Tensor, "L D"] | None = None
    untempered: Float[Tensor, " L"] | None = None
    base: Float[Tensor, " L"] | None = None
    over_proposal: Float[Tensor, " L"] | None = None
    expert_scores: Float[Tensor, "L E D"] | None = None
    fields: Float[Tensor, "L K D"] | None = None
    gains: Float[Tensor, "L K"] | None = None

    @property
    def drift(self) -> Float[Tensor, "L D"]:
        """The gradient of the log target, rewards included."""
        return self.score if self.reward_score is None else self.score + self.reward_score

    @property
    def log_target(self) -> Float[Tensor, " L"]:
        """Log pi_t + log q_t; only where every expert has a density."""
        assert self.log_density is not None
        return self.log_density if self.log_reward is None else self.log_density + self.log_reward

    @property
    def path_derivative(self) -> Float[Tensor, " L"]:
        """On the tempering path d log pi_b / db, without constraints, whose mean the weights
        integrate; elsewhere the log target. Only where every expert has a density.
        """
        if self.untempered is None:
            return self.log_target
        return self.untempered if self.base is None else self.untempered - self.base


@dataclass(frozen=True, slots=True)
class Point(ParticleTensors):
    """Where the particles are.

    Attributes:
        at: the experts there; None where they are not evaluated yet.
        reward: the black-box rewards there, where a kernel accepts by them.
    """

    x: Float[Tensor, "L D"]
    at: Evaluation | None = None
    reward: Float[Tensor, " L"] | None = None


@dataclass(frozen=True, slots=True)
class RewardMemory(ParticleTensors):
    """What a particle's weight holds of its rewards, so that each is counted once.

    Attributes:
        differentiable: the value of the differentiable rewards that the weight holds.
        black_box: the last value of the black-box rewards.
        counted: log of their potentials so far, for the exact reward at the end to replace.
        peak: what a potential remembers of earlier rewards.
    """

    differentiable: Float[Tensor, " L"]
    black_box: Float[Tensor, " L"]
    counted: Float[Tensor, " L"]
    peak: Float[Tensor, " L"]

    @property
    def total(self) -> Float[Tensor, " L"]:
        return self.differentiable + self.black_box


@dataclass(frozen=True, slots=True)
class Particles(ParticleTensors):
    """What resampling gathers.

    Attributes:
        x: positions, in the coordinates of the path, or symbols.
        log_weights: since the last resampling; the population has the evidence accumulated before
            it.
        rewards: what the weights hold of the rewards.
        eve_indices: the slot at the first stage that each particle descends from.
        at: the experts at the particles, or at a prefix; None where they are not
            evaluated.
        predicted_endpoints: at the stages that are to be shown, each along its own line.
    """

    x: Shaped[Tensor, "L D"]
    log_weights: Float[Tensor, " L"]
    rewards: RewardMemory
    eve_indices: Int[Tensor, " L"]
    at: ParticleTensors | None = None
    predicted_endpoints: tuple[Float[Tensor, "L whole"], ...] = ()

    @classmethod
    def at_start(
        cls,
        x: Shaped[Tensor, "L D"],
        log_weights: Float[Tensor, " L"],
        peak: float,
        at: ParticleTensors | None = None,
    ) -> Particles:
        """Particles of the first stage, of which no reward has been counted."""
        zeros = torch.zeros(len(x), dtype=torch.float64, device=x.device)
        rewards = RewardMemory(zeros, zeros, zeros, torch.full_like(zeros, peak))
        return cls(x, log_weights, rewards, torch.arange(len(x), device=x.device), at)

    @classmethod
    def restored_with(cls, state: SavedState, evaluation_type: type[ParticleTensors]) -> Particles:
        """From a `state`.

        Args:
            evaluation_type: the type of ``at``.
        """
        at = None if state["at"] is None else evaluation_type.restored(state["at"])
        return cls.restored({**state, "rewards": RewardMemory.restored(state["rewards"]), "at": at})
