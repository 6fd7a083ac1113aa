"""What a pilot run tunes, frozen: with stages and kernels that do not depend on the particles, the
estimate of the evidence is unbiased (Del Moral 2004, theorem 7.4.2).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from poedsl.runtime.feynman_kac.tempering import TemperingModel, TunedSteps
from poedsl.runtime.kernels.preconditioner import Preconditioner
from poedsl.runtime.smc.population import Population
from poedsl.runtime.targets.tempering import TemperingStage


@dataclass(frozen=True, slots=True)
class Pilot:
    """A model with the stages and kernels of a pilot run, and what that took.

    Attributes:
        evaluations: of all experts by the pilot run, each over all particles.
    """

    model: TemperingModel
    evaluations: int


def frozen(model: TemperingModel, run: Iterable[Population[TemperingStage]]) -> Pilot:
    """Freeze what a run of a model has tuned: the powers of its stages, and at each the number and
    the size of kernel steps and the coordinates in which they are taken.

    Args:
        run: the populations of all stages.
    """
    powers, tuned, evaluations = [], [], 0
    for population in run:
        powers.append(population.stage.beta)
        tuned.append(_tuned(model, population))
        evaluations += 1 if len(powers) == 1 else _evaluations(model, population)
    numbers = range(len(powers), 0, -1)
    return Pilot(
        replace(
            model,
            stages=tuple(TemperingStage(t, b) for t, b in zip(numbers, powers, strict=True)),
            options=replace(model.options, share=None),
            tuned=dict(zip(numbers, tuned, strict=True)),
        ),
        evaluations,
    )


def _evaluations(model: TemperingModel, population: Population[TemperingStage]) -> int:
    return model.evaluations(population.stage, population.kernel_steps)


def _tuned(model: TemperingModel, population: Population[TemperingStage]) -> TunedSteps:
    steps = model.mutation.steps
    if steps is not None:
        precondition: bool | Preconditioner = False
        if steps.precondition:
            x, weights = population.particles.x, population.total_log_weights
            precondition = Preconditioner.of_all(x, weights)
        steps = replace(
            steps,
            count=steps.count if population.kernel_steps is None else population.kernel_steps,
            adapt=False,
            precondition=precondition,
            correlation=None,
        )
    return TunedSteps(steps, population.step_size, population.correlation, population.exhausted)
