"""The factors of a product on their components: experts that generate, and rewards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor

from poedsl.compiler.plan.terms import Term
from poedsl.experts.protocol import Generative
from poedsl.runtime.targets.parent_guidance import ParentGuidance
from poedsl.runtime.terms.evaluate import Environment, evaluate


@runtime_checkable
class StageLike(Protocol):
    """A stage over numbers.

    Attributes:
        t: its number.
        beta: how far along the path it is, from 0 to 1.
        noise_scale: the width of its noise, in which unadjusted kernels measure their steps.
    """

    @property
    def t(self) -> int: ...

    @property
    def beta(self) -> float: ...

    @property
    def noise_scale(self) -> float: ...


@dataclass(frozen=True, slots=True)
class ExpertFactor:
    """A generative expert on some components, to a power; a mask has an exponent for each.

    Attributes:
        guidance: how it is conditioned on its parents, where it has any.
    """

    name: str
    place: str
    expert: Generative
    exponent: float | Float[Tensor, " d"]
    part: slice | Int[Tensor, " d"]
    guidance: ParentGuidance | None = None

    @property
    def field(self) -> str:
        """What keeps its scores from being those of a density; empty where nothing does."""
        if isinstance(self.exponent, Tensor):
            return f"a mask as exponent, that of `{self.name}` at {self.place}, leaves no density"
        if self.guidance is not None:
            return f"`{self.name}` at {self.place} is given parents, which leaves no density"
        return ""


@dataclass(frozen=True, slots=True)
class RewardFactor:
    """A reward, a condition, or a density that counts as a reward: ``log_value`` of the variables.

    Attributes:
        kind: ``reward``, ``density``, ``likelihood`` or ``where``.
        differentiable: differentiable, so that kernels and moves may follow it.
        term: the reward, or the condition.
        density: of densities and likelihoods, their log value.
        sites: of models, the values of their sites by name.
        rows: how many numbers are evaluated for each particle.
    """

    name: str
    place: str
    kind: str
    exponent: float
    term: Term
    differentiable: bool
    density: Callable[[Environment], Tensor] | None = None
    sites: Callable[[Environment], dict[str, Tensor]] | None = None
    rows: int = 1

    def log_value(self, env: Environment) -> Float[Tensor, " L"]:
        """Exactly, at the end of the path; -inf where a condition does not hold."""
        if self.density is not None:
            return self.exponent * self.density(env)
        value = evaluate(self.term, env)
        if self.kind == "where":
            holds = value.reshape(len(value), -1).all(-1)
            return holds.to(env.dtype).log()
        return self.exponent * value.flatten()
