"""The tempering path: p_b = p_0^(1 - b) target^b, from a Gaussian to any density (Neal 2001).

It asks for densities alone: no expert needs noised marginals, and exponents need not sum to
anything. p_0 is the base that the program names. By default it is a mixture of t distributions
around the modes of the target, as far as a search finds any, and of a wide distribution: the
densities that draw every variable given those before, where some are around others or tails are
heavy, or N(0, I) in the coordinates of the run. Its normaliser is known, so that the weights give
the evidence of the target.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from poedsl.runtime.core.particles import Evaluation
from poedsl.runtime.core.random_numbers import Noise
from poedsl.runtime.core.state import SavedState
from poedsl.runtime.targets.constraint_and_reward_potentials import RewardFactor
from poedsl.runtime.targets.target import Target
from poedsl.runtime.terms.evaluate import Environment

AnyBase = TypeVar("AnyBase", bound="FixedBase")


@runtime_checkable
class Marginal(Protocol):
    """The distribution of one variable, in its own units."""

    def draw(
        self, uniform: Float[Tensor, "L *shape"], pick: Float[Tensor, " L"]
    ) -> Float[Tensor, "L *shape"]:
        """Draws from uniforms in (0, 1), one of which picks the part of a mixture."""
        ...

    def log_density(self, x: Float[Tensor, "L *shape"]) -> Float[Tensor, " L"]:
        """Normalised log density."""
        ...


@runtime_checkable
class BaseDistribution(Protocol):
    """A distribution that can be drawn from exactly, in the coordinates of a run."""

    def first(self, noise: Noise, t: int) -> Float[Tensor, "L D"]:
        """Draws for the first stage, numbered ``t``."""
        ...

    def log_density(self, x: Float[Tensor, "L D"]) -> Float[Tensor, " L"]:
        """Normalised log density."""
        ...

    def marginal(self, variable: str) -> Marginal | None:
        """The distribution of a variable, where the variables are independent in their own units;
        None where they are not.
        """
        ...

    def state(self) -> SavedState:
        """What a search has found; empty where the plan alone determines the base."""
        ...

    def restored(self, state: SavedState) -> BaseDistribution:
        """With what a `state` has found in the place of its own.

        Raises:
            KeyError, ValueError: the state is of another kind of base.
        """
        ...


class FixedBase:
    """A base that the plan alone determines, over all coordinates together."""

    __slots__ = ()

    def marginal(self, variable: str) -> Marginal | None:
        """None: it is a distribution of the run's coordinates."""
        return None

    def state(self) -> SavedState:
        """Empty: nothing was searched for."""
        return {}

    def restored(self: AnyBase, state: SavedState) -> AnyBase:
        """Itself.

        Raises:
            ValueError: a search had found modes before, and finds none now.
        """
        if state:
            raise ValueError("a search for modes ends otherwise than it did before")
        return self


@dataclass(frozen=True, slots=True)
class TemperingStage:
    """One power of the target.

    Attributes:
        t: its number, ``steps`` + 1 (the base) to 1 (the target).
        beta: the power b.
    """

    t: int
    beta: float

    @property
    def alpha(self) -> float:
        """No noise is on the particles."""
        return 1.0

    @property
    def sigma(self) -> float:
        return 0.0

    @property
    def noise_scale(self) -> float:
        """Kernels step in the coordinates of the run, at every power alike."""
        return 1.0


@dataclass(frozen=True, slots=True)
class TemperedTarget(Target):
    """The product of a plan, raised to the power of a stage's ``beta`` beside its base.

    Attributes:
        base: what the program names, or what suits its densities; None for N(0, I).
    """

    base: BaseDistribution | None = None

    def state(self) -> SavedState:
        """What a search for the base has found."""
        return {} if self.base is None else self.base.state()

    def restored(self, state: SavedState) -> TemperedTarget:
        """With the base that a `state` has, in the place of that which was searched for again.

        Raises:
            KeyError, ValueError: the state is of another kind of base.
        """
        if self.base is None:
            if state:
                raise ValueError("a search for modes ends otherwise than it did before")
            return self
        return replace(self, base=self.base.restored(state))

    @property
    def has_density(self) -> bool:
        return True

    @property
    def terminal(self) -> bool:
        return True

    @property
    def differentiable(self) -> tuple[RewardFactor, ...]:
        """None: what has a gradient is part of the density."""
        return ()

    @property
    def inference_mode(self) -> bool:
        return False

    def _evaluate(
        self,
        x: Float[Tensor, "L D"],
        stage: TemperingStage,
        signs: Float[Tensor, "L D"] | None = None,
        expert_scores: bool = False,
    ) -> Evaluation:
        b = stage.beta
        with torch.enable_grad():
            point = x.detach().requires_grad_()
            base = self.log_base(point) if b < 1 else None
            total = torch.zeros_like(point[:, 0]) if base is None else (1 - b) * base
            product = self.log_untempered(point)
            if b > 0:
                total = total + b * (product + self.conditions(point, b))
            (score,) = torch.autograd.grad(total.sum(), point)
        score = score.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
        endpoint = point.detach() if self.reward_factors else None
        return Evaluation(
            score,
            None,
            total.detach(),
            endpoint,
            untempered=product.detach(),
            base=None if base is None else base.detach(),
        )

    def scores(self, x: Float[Tensor, "L D"], stage: TemperingStage) -> Float[Tensor, "L D"]:
        """The gradient of the tempered log density."""
        return self.evaluate(x, stage).score

    def black_box_at(
        self, x: Float[Tensor, "L D"], at: Evaluation | None, stage: TemperingStage
    ) -> Float[Tensor, " L"]:
        """The black-box rewards to the power of the stage."""
        return stage.beta * self.black_box_value(x, final=False)

    def first(self, noise: Noise, stage: TemperingStage) -> Float[Tensor, "L D"] | None:
        return None if self.base is None else self.base.first(noise, stage.t)

    def marginal(self, variable: str) -> Marginal | None:
        """The distribution that the base gives a variable by itself; None where it gives none."""
        return None if self.base is None else self.base.marginal(variable)

    def log_base(self, x: Float[Tensor, "L D"]) -> Float[Tensor, " L"]:
        """Log p_0, normalised."""
        return log_base(x) if self.base is None else self.base.log_density(x)

    def log_untempered(self, x: Float[Tensor, "L D"]) -> Float[Tensor, " L"]:
        """Log of the product in the run's coordinates, without its conditions."""
        logs = self.space.scale.log()
        y, log_det = self.space.supported(x)
        total = logs.sum() + log_det
        for factor in self.experts:
            self._count(factor.name, len(x))
            log_density = factor.expert.noised(y[:, factor.part], 1.0, 0.0).log_density
            assert log_density is not None
            total = total + factor.exponent * (log_density - logs[factor.part].sum())
        env = self.environment.with_values(self.space.shaped(y))
        for reward_factor in self.reward_factors:
            if reward_factor.differentiable and reward_factor.kind != "where":
                self._count(reward_factor.name, len(x))
                total = total + reward_factor.log_value(env)
        total = torch.where(total == math.inf, math.nan, total)
        if self.conditional and bool(total.isnan().any()):
            total = torch.where(total.isnan() & ~self.allowed(env, len(x)), -math.inf, total)
        return total

    @property
    def conditional(self) -> bool:
        """Whether the program has conditions."""
        return any(reward_factor.kind == "where" for reward_factor in self.reward_factors)

    def allowed(self, env: Environment, count: int) -> Bool[Tensor, " L"]:
        """Where all conditions hold; elsewhere the target is zero, and rewards need no value."""
        allowed = torch.ones(count, dtype=torch.bool, device=self.space.loc.device)
        with torch.no_grad():
            for reward_factor in self.reward_factors:
                if reward_factor.kind == "where":
                    allowed = allowed & (reward_factor.log_value(env) > -math.inf)
        return allowed

    def conditions(self, x: Float[Tensor, "L D"], b: float) -> Float[Tensor, " L"]:
        """Log of the conditions, which are hard at b = 1 only."""
        total = x.new_zeros(len(x))
        for reward_factor in self.reward_factors:
            if reward_factor.differentiable and reward_factor.kind == "where":
                self._count(reward_factor.name, len(x))
                if b == 1:
                    env = self.environment.with_values(self.space.values(x))
                    total = total + reward_factor.log_value(env)
                else:
                    spread = x.new_full((1,), 1 - b)
                    total = total + self.log_chance(reward_factor, x, spread)
        return total


def log_base(x: Float[Tensor, "L D"]) -> Float[Tensor, " L"]:
    """Log of N(0, I)."""
    return (-0.5 * (x.square() + math.log(2 * math.pi))).sum(-1)
