"""What a pilot run tunes, frozen: with stages and kernels that do not depend on the particles, the
estimate of the evidence is unbiased (Del Moral 2004, theorem 7.4.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from poedsl.runtime.core.particles import Point
from poedsl.runtime.core.state import SavedState
from poedsl.runtime.kernels.coordinates import into
from poedsl.runtime.kernels.preconditioner import Preconditioner
from poedsl.runtime.kernels.step_size import StepSize
from poedsl.runtime.kernels.sweep import KernelSteps
from poedsl.runtime.smc.population import Population

Model = TypeVar("Model", bound="TunableModel")


@dataclass(frozen=True, slots=True)
class TunedSteps:
    """The kernel steps of a stage as a pilot run has tuned them.

    Attributes:
        steps: None where there is no kernel.
        correlation, exhausted: what the pilot run measured after its steps.
    """

    steps: KernelSteps | None
    step_size: StepSize
    correlation: float | None
    exhausted: bool

    def state(self) -> SavedState:
        fixed = None if self.steps is None else self.steps.preconditioners
        return {
            "count": None if self.steps is None else self.steps.count,
            "preconditioners": None if fixed is None else [p.state() for p in fixed],
            "step_size": self.step_size.state(),
            "correlation": self.correlation,
            "exhausted": self.exhausted,
        }


@runtime_checkable
class HasSteps(Protocol):
    """The mutation of a model.

    Attributes:
        steps: None where there is no kernel.
    """

    @property
    def steps(self) -> KernelSteps | None: ...


@runtime_checkable
class TunableModel(Protocol):
    """A model whose stages and kernels adapt to the particles, and can be fixed."""

    @property
    def mutation(self) -> HasSteps: ...

    def evaluations(self, stage: Any, steps: int | None = None) -> int:
        """Evaluations of all experts that a stage takes."""
        ...

    def tuned_by(self: Model, powers: Sequence[float], tuned: Sequence[TunedSteps]) -> Model:
        """The model with stages of these powers, and these kernel steps at each."""
        ...


@dataclass(slots=True)
class Pilot(Generic[Model]):
    """What a run of a model has tuned so far: the powers of its stages, and at each the number and
    the size of kernel steps and the coordinates in which they are taken.

    Attributes:
        powers, tuned: of the stages so far.
        evaluations: of all experts so far, each over all particles.
        ended: whether the run has ended.
    """

    model: Model
    powers: list[float] = field(default_factory=list)
    tuned: list[TunedSteps] = field(default_factory=list)
    evaluations: int = 0
    ended: bool = False

    def note(self, population: Population[Any]) -> None:
        """Keep what a stage has tuned."""
        self.powers.append(population.stage.beta)
        self.tuned.append(_tuned(self.model.mutation.steps, population))
        first = len(self.powers) == 1
        steps = population.kernel_steps
        self.evaluations += 1 if first else self.model.evaluations(population.stage, steps)

    def end(self) -> Model:
        """The model with the stages and kernels of the run, which has ended."""
        self.ended = True
        return self.frozen()

    def frozen(self) -> Model:
        """The model with the stages and kernels so far."""
        return self.model.tuned_by(self.powers, self.tuned)

    def state(self) -> SavedState:
        return {
            "powers": self.powers,
            "tuned": [tuned.state() for tuned in self.tuned],
            "evaluations": self.evaluations,
            "ended": self.ended,
        }

    @classmethod
    def restored(cls, state: SavedState, model: Model) -> Pilot[Model]:
        """From a `state` of a pilot run of the model."""
        tuned = [_restored(saved, model.mutation.steps) for saved in state["tuned"]]
        return cls(model, state["powers"], tuned, state["evaluations"], state["ended"])


def _tuned(steps: KernelSteps | None, population: Population[Any]) -> TunedSteps:
    if steps is not None:
        preconditioners = None
        if steps.precondition:
            start, weights = Point(population.particles.x), population.total_log_weights
            preconditioners = tuple(
                Preconditioner.of_all(into(changes, start).x, weights) for changes in steps.unscaled
            )
        count = steps.count if population.kernel_steps is None else population.kernel_steps
        steps = _fixed(steps, count, preconditioners)
    return TunedSteps(steps, population.step_size, population.correlation, population.exhausted)


def _restored(state: SavedState, steps: KernelSteps | None) -> TunedSteps:
    if steps is not None:
        saved = state["preconditioners"]
        preconditioners = None if saved is None else tuple(map(Preconditioner.restored, saved))
        steps = _fixed(steps, state["count"], preconditioners)
    step_size = StepSize.restored(state["step_size"])
    return TunedSteps(steps, step_size, state["correlation"], state["exhausted"])


def _fixed(
    steps: KernelSteps, count: int, preconditioners: tuple[Preconditioner, ...] | None
) -> KernelSteps:
    """So many steps, whose size and coordinates do not depend on the particles."""
    fixed = replace(steps, count=count, preconditioners=preconditioners)
    return replace(fixed, adapt=False, correlation=None)
