"""What a pilot run tunes, frozen: with stages and kernels that do not depend on the particles, the
estimate of the evidence is unbiased (Del Moral 2004, theorem 7.4.2).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from poedsl.runtime.core.state import SavedState
from poedsl.runtime.feynman_kac.tempering import TemperingModel, TunedSteps
from poedsl.runtime.kernels.preconditioner import Preconditioner
from poedsl.runtime.kernels.step_size import StepSize
from poedsl.runtime.kernels.sweep import KernelSteps
from poedsl.runtime.smc.anneal import FeynmanKac
from poedsl.runtime.smc.population import Population
from poedsl.runtime.targets.tempering import TemperingStage


@dataclass(slots=True)
class Pilot:
    """What a run of a model has tuned so far: the powers of its stages, and at each the number and
    the size of kernel steps and the coordinates in which they are taken.

    Attributes:
        powers, tuned: of the stages so far.
        evaluations: of all experts so far, each over all particles.
        ended: whether the run has ended.
    """

    model: TemperingModel
    powers: list[float] = field(default_factory=list)
    tuned: list[TunedSteps] = field(default_factory=list)
    evaluations: int = 0
    ended: bool = False

    @classmethod
    def of(cls, model: FeynmanKac[Any]) -> Pilot:
        """A pilot run of a model, which tempers: the compiler refuses `unbiased` elsewhere."""
        assert isinstance(model, TemperingModel)
        return cls(model)

    def note(self, population: Population[TemperingStage]) -> None:
        """Keep what a stage has tuned."""
        self.powers.append(population.stage.beta)
        self.tuned.append(_tuned(self.model.mutation.steps, population))
        first = len(self.powers) == 1
        steps = population.kernel_steps
        self.evaluations += 1 if first else self.model.evaluations(population.stage, steps)

    def frozen(self) -> TemperingModel:
        """The model with the stages and kernels of the run, which has ended."""
        numbers = range(len(self.powers), 0, -1)
        stages = (TemperingStage(t, b) for t, b in zip(numbers, self.powers, strict=True))
        return replace(
            self.model,
            stages=tuple(stages),
            options=replace(self.model.options, share=None),
            tuned=dict(zip(numbers, self.tuned, strict=True)),
        )

    def state(self) -> SavedState:
        return {
            "powers": self.powers,
            "tuned": [tuned.state() for tuned in self.tuned],
            "evaluations": self.evaluations,
            "ended": self.ended,
        }

    def restore(self, state: SavedState) -> None:
        """Go on from a `state`."""
        self.powers, self.evaluations = state["powers"], state["evaluations"]
        self.tuned = [_restored(saved, self.model.mutation.steps) for saved in state["tuned"]]
        self.ended = state["ended"]


def _tuned(steps: KernelSteps | None, population: Population[TemperingStage]) -> TunedSteps:
    if steps is not None:
        preconditioner = None
        if steps.precondition:
            x, weights = population.particles.x, population.total_log_weights
            preconditioner = Preconditioner.of_all(x, weights)
        count = steps.count if population.kernel_steps is None else population.kernel_steps
        steps = _fixed(steps, count, preconditioner)
    return TunedSteps(steps, population.step_size, population.correlation, population.exhausted)


def _restored(state: SavedState, steps: KernelSteps | None) -> TunedSteps:
    if steps is not None:
        saved = state["preconditioner"]
        preconditioner = None if saved is None else Preconditioner.restored(saved)
        steps = _fixed(steps, state["count"], preconditioner)
    step_size = StepSize.restored(state["step_size"])
    return TunedSteps(steps, step_size, state["correlation"], state["exhausted"])


def _fixed(steps: KernelSteps, count: int, preconditioner: Preconditioner | None) -> KernelSteps:
    """So many steps, whose size and coordinates do not depend on the particles."""
    coordinates = False if preconditioner is None else preconditioner
    return replace(steps, count=count, adapt=False, precondition=coordinates, correlation=None)
