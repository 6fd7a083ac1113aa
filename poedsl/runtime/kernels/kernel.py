"""What a Markov kernel is: points in, points and the probabilities of acceptance out.

A kernel leaves one stage's target, rewards included, invariant. It is given that target as a
`StageTarget` and its random numbers, so that it holds no state but its own settings; the step size
is a state of the run (`step_size.StepSize`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor

from poedsl.runtime.core.particles import Evaluation, Point
from poedsl.runtime.targets.prefixes import PrefixEvaluation, SequenceTarget

Evaluate = Callable[[Float[Tensor, "L D"]], Evaluation]
#: The increase of the log target from each particle of some points to that of others.
LogRatio = Callable[[Point, Point], Float[Tensor, " L"]]
#: A point with its black-box rewards.
AddRewards = Callable[[Point], Point]


def without_rewards(point: Point) -> Point:
    """The point as it is, where no black-box rewards count."""
    return point


@dataclass(frozen=True, slots=True)
class StageTarget:
    """One stage's target as kernels see it.

    Attributes:
        evaluate: all experts at points (L, D).
        log_ratio: the increase of the log target between two points, for acceptance.
        add_rewards: adds black-box rewards to a proposed point, where acceptance counts them.
    """

    evaluate: Evaluate
    log_ratio: LogRatio
    add_rewards: AddRewards = without_rewards


@runtime_checkable
class Kernel(Protocol):
    """A kernel with its settings."""

    def step(
        self,
        point: Point,
        target: StageTarget,
        noise: Float[Tensor, "L N"],
        uniform: Float[Tensor, " L"] | None,
        variance: Float[Tensor, "#L #D"],
    ) -> tuple[Point, Float[Tensor, " L"] | None]:
        """One step.

        Args:
            noise: standard normals; N is D times ``normals`` in the kernel's row of the options.
            uniform: uniforms in (0, 1) that decide acceptance; None for unadjusted kernels.
            variance: the square of the step size, per particle and component or common to all.

        Returns:
            The points, and each particle's probability of acceptance, None if unadjusted.
        """
        ...


@runtime_checkable
class SymbolKernel(Protocol):
    """A kernel on symbols with its settings, which leaves the target of a prefix invariant."""

    def uniforms(self, length: int) -> int:
        """How many uniforms a step takes for each prefix of that length."""
        ...

    def step(
        self,
        target: SequenceTarget,
        x: Int[Tensor, "L n"],
        length: int,
        uniform: Float[Tensor, "L u"],
        shared: float,
    ) -> tuple[Int[Tensor, "L n"], PrefixEvaluation, Float[Tensor, " L"]]:
        """One step on the first ``length`` symbols.

        Args:
            uniform: uniforms in (0, 1) for each prefix. shared: one for all of them.

        Returns:
            The sequences, what the experts make of them, and the probabilities of acceptance.
        """
        ...
