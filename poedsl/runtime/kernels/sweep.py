"""K steps of a kernel at one stage, with the step size adapted between them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.runtime.core.particles import Point
from poedsl.runtime.core.random_numbers import Noise
from poedsl.runtime.kernels.coordinates import ChangeOfCoordinates, into, out_of, target_in
from poedsl.runtime.kernels.kernel import Kernel, StageTarget
from poedsl.runtime.kernels.mixing import Mixing, observables
from poedsl.runtime.kernels.non_centred import NonCentred
from poedsl.runtime.kernels.preconditioner import Preconditioner
from poedsl.runtime.kernels.step_size import StepSize

#: Log of the largest factor of the variance, and the step of a sequence that covers (0, 1) evenly.
JITTER, GOLDEN = 1.0, (math.sqrt(5) - 1) / 2
#: Steps for which noise is drawn at once where their number is open.
BLOCK = 8
#: Steps in some coordinates before as many in the next.
TURN = 4


class KernelResult(NamedTuple):
    """Where the steps led.

    Attributes:
        acceptance: the mean over particles and steps; None for unadjusted kernels.
        steps: how many there were.
        correlation: the largest one of a component between start and end; None if not measured.
        exhausted: whether the steps ran out before correlations were low enough.
    """

    point: Point
    step_size: StepSize
    acceptance: float | None
    steps: int
    correlation: float | None
    exhausted: bool


@dataclass(frozen=True, slots=True)
class KernelSteps:
    """A kernel, and how it is applied at every stage.

    Attributes:
        count: K, the number of steps; the largest number if ``correlation`` ends them.
        adapt: whether the step size follows the acceptance.
        acceptance_target: the acceptance to which it adapts; None for unadjusted kernels, which
            accept every proposal.
        normals: the number of standard normals that a step takes for each component.
        jittered: whether the kernel follows trajectories, whose lengths have to vary.
        precondition: whether steps are taken in coordinates in which the population has unit
            covariance.
        non_centred: coordinates in which every other steps are taken; None where there are none.
        preconditioners: of the coordinates in which steps are taken; None where they follow the
            population.
        correlation: steps end once no component is correlated by more with where it started.
    """

    kernel: Kernel
    count: int
    adapt: bool
    acceptance_target: float | None
    normals: int = 1
    jittered: bool = False
    precondition: bool = False
    non_centred: NonCentred | None = None
    preconditioners: tuple[Preconditioner, ...] | None = None
    correlation: float | None = None

    @property
    def adjusted(self) -> bool:
        return self.acceptance_target is not None

    def sweep(
        self,
        point: Point,
        target: StageTarget,
        log_weights: Float[Tensor, "S n"],
        step_size: StepSize,
        rng: Noise,
        t: int,
        *,
        narrowing: float = 1.0,
        noise_scale: float = 1.0,
        exponents: float | Float[Tensor, " #D"] = 1.0,
    ) -> KernelResult:
        """The steps of stage ``t``.

        Args:
            log_weights: of the particles, by islands.
            narrowing: the target's variance over that of the stage before.
            noise_scale, exponents: unadjusted kernels take steps in units of noise_scale / sqrt(W).
        """
        aim = self.acceptance_target
        adapt = self.adapt and aim is not None
        if adapt and narrowing != 1:
            assert aim is not None
            step_size = step_size.narrowed(narrowing, aim, self.count)
        coordinates = self.coordinates(point.x, log_weights)
        targets = [target_in(changes, target) for changes in coordinates]
        sizes = step_size.split(len(coordinates))
        turn, point = 0, into(coordinates[0], point)
        mixing = None
        if self.correlation is not None:
            weights = log_weights.flatten().softmax(0)
            mixing = Mixing(observables(point), weights, self.correlation)
        rates: list[Float[Tensor, "S 1"]] = []
        steps, finished = 0, mixing is None
        for noise, uniform in self._noise(point, rng, t):
            before, turn = turn, steps // TURN % len(coordinates)
            if turn != before:
                point = into(coordinates[turn], out_of(coordinates[before], point))
            steps += 1
            variance = sizes[turn].per_particle(rng.size) * self.jitter(steps)
            if aim is None:
                variance = variance * noise_scale**2 / exponents
            point, probability = self.kernel.step(point, targets[turn], noise, uniform, variance)
            if probability is not None and aim is not None:
                rates.append(probability.view(-1, rng.size).mean(-1, keepdim=True))
                if adapt:
                    sizes[turn] = sizes[turn].adapted(rates[-1], aim)
            if mixing is not None and turn == 0 and mixing.finished(observables(point)):
                finished = True
                break
        point, step_size = out_of(coordinates[turn], point), StepSize.joined(sizes)
        acceptance = float(torch.cat(rates).mean()) if rates else None
        largest = None if mixing is None else mixing.largest
        return KernelResult(point, step_size, acceptance, steps, largest, not finished)

    def coordinates(
        self, x: Float[Tensor, "L D"], log_weights: Float[Tensor, "S n"]
    ) -> list[tuple[ChangeOfCoordinates, ...]]:
        """The changes to each of the coordinates in which steps are taken by turns."""
        if not self.precondition:
            return [()]
        systems = self.unscaled
        by_population = self.preconditioners or [
            Preconditioner.of(into(changes, Point(x)).x, log_weights) for changes in systems
        ]
        return [(*c, p) for c, p in zip(systems, by_population, strict=True)]

    @property
    def unscaled(self) -> list[tuple[NonCentred, ...]]:
        """The changes before those that give the population unit covariance."""
        return [()] if self.non_centred is None else [(), (self.non_centred,)]

    def jitter(self, step: int) -> float:
        """A factor of the variance, which varies the length of trajectories where they would return
        to where they started (Neal 2011, on tuning).
        """
        if self.correlation is None or not self.jittered:
            return 1.0
        return math.exp(JITTER * (2 * (step * GOLDEN % 1) - 1))

    def _noise(
        self, point: Point, rng: Noise, t: int
    ) -> Iterator[tuple[Float[Tensor, "L N"], Float[Tensor, " L"] | None]]:
        """Normals and uniforms of each step; drawn in blocks where the number of steps is open."""
        width = self.normals * point.x.shape[-1]
        size = self.count if self.correlation is None else BLOCK
        for block, first in enumerate(range(0, self.count, size)):
            steps = min(size, self.count - first)
            normals, uniforms = rng.proposals(width, t, steps, accepting=self.adjusted, block=block)
            for k in range(steps):
                yield normals[k], None if uniforms is None else uniforms[k]
