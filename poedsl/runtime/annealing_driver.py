"""The particles of a run, stage by stage: those of a pilot run first, where one tunes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from poedsl.runtime.build.prepare import RunnableModel
from poedsl.runtime.core.particles import Evaluation
from poedsl.runtime.core.random_numbers import Noise
from poedsl.runtime.core.sampler_options import SamplerOptions
from poedsl.runtime.core.state import SavedState
from poedsl.runtime.core.warnings import WarningLog
from poedsl.runtime.feynman_kac.pilot_run import Pilot
from poedsl.runtime.smc.anneal import Boundary, anneal
from poedsl.runtime.smc.health import HealthCheck
from poedsl.runtime.smc.population import Population
from poedsl.runtime.smc.resampler import Resampler
from poedsl.runtime.smc.snapshots import WatchedResampler

#: The seed of a pilot run is this minus that of the run.
PILOT = -2


@dataclass(slots=True)
class AnnealingDriver:
    """Anneals the particles of a model.

    Attributes:
        model: of the run, or of its pilot run until that has ended.
        pilot: what a pilot run has tuned; None where there is none.
        after: where the particles are; None before their first stage.
        between_pilot_stages: is called after every stage of the pilot run.
    """

    model: RunnableModel[Any]
    resampler: Resampler
    rng: Noise
    health: HealthCheck
    pilot: Pilot[Any] | None = None
    after: Boundary[Any] | None = None
    between_pilot_stages: Callable[[], None] = field(default=lambda: None)

    @classmethod
    def of(
        cls,
        options: SamplerOptions,
        model: RunnableModel[Any],
        rng: Noise,
        warnings: WarningLog,
        between_pilot_stages: Callable[[], None],
        before_resampling: Callable[[Population[Any]], None],
    ) -> AnnealingDriver:
        """By the options of a plan.

        Args:
            see: is called with the population wherever the run may resample it.
        """
        health = HealthCheck(model.target, warnings)
        resampler = WatchedResampler(
            options.scheme, options.resample, before_resampling=before_resampling
        )
        return cls(
            model, resampler, rng, health, model.pilot, between_pilot_stages=between_pilot_stages
        )

    @property
    def before_the_first_stage(self) -> tuple[int, float]:
        """Evaluations of all experts before that stage, and seconds that its own do not include."""
        if self.pilot is not None:
            return self.pilot.evaluations, 0.0
        return self.model.before_the_first_stage

    def stages(self) -> Iterator[Population[Any]]:
        """The population after every stage of the run that is still to come.

        Raises:
            AllParticlesLost: no particle has weight left.
        """
        if self.pilot is not None and not self.pilot.ended:
            self._tune(self.pilot)
        for after in anneal(self.model, self.resampler, self.rng, self.health, self.after):
            self.after = after
            yield after.population

    def _tune(self, pilot: Pilot[Any]) -> None:
        """Run the rest of the pilot run, and take what it has tuned."""
        rng = replace(self.rng, seed=PILOT - self.rng.seed)
        resampler = Resampler(self.resampler.scheme, self.resampler.rule)
        for after in anneal(self.model, resampler, rng, self.health, self.after):
            self.after = after
            pilot.note(after.population)
            self.between_pilot_stages()
        self.model, self.after = pilot.end(), None

    def state(self) -> SavedState:
        """All that the stages to come depend on, and what the run has noted of itself."""
        return {
            "model": self.model.state(),
            "pilot": None if self.pilot is None else self.pilot.state(),
            "after": None if self.after is None else self.after.state(),
            "warnings": self.health.warnings.state(),
            "calls": [[name, count] for name, count in self.model.target.calls.items()],
            "generator": torch.get_rng_state(),
        }

    def restore(self, state: SavedState, *, anew: bool = False) -> None:
        """Go on from a `state`, before the first stage.

        Args:
            anew: evaluate the experts at the particles again, since they may have changed.

        Raises:
            IndexError, KeyError, TypeError, ValueError: it is not the state of such a run.
        """
        self.model = self.model.restored(state["model"])
        self.health = replace(self.health, target=self.model.target)
        if self.pilot is not None:
            self.pilot = Pilot.restored(state["pilot"], self.model)
            if self.pilot.ended:
                self.model = self.pilot.frozen()
        if state["after"] is not None:
            after = Boundary.restored(state["after"], self.model)
            self._fits(after.population)
            self.after = without_evaluations(after) if anew else after
        self.health.warnings.restore(state["warnings"])
        calls = self.model.target.calls
        calls.clear()
        calls.update((name, count) for name, count in state["calls"])
        torch.set_rng_state(state["generator"])

    def _fits(self, population: Population[Any]) -> None:
        """Whether the particles are of as many islands, components and stages as those of the run.

        Raises:
            ValueError: they are not.
        """
        x, rng, stages = population.particles.x, self.rng, self.model.stages
        if len(x) != rng.size * rng.islands or population.islands != rng.islands:
            raise ValueError(f"it has {len(x)} particles in {population.islands} islands")
        size = self.model.target.space.size
        if x.shape[1] > size or (x.shape[1] < size and not self.model.grows):
            raise ValueError(f"its particles have {x.shape[1]} components")
        if not 1 <= population.stage.t <= stages[0].t:
            raise ValueError(f"it is at stage {population.stage.t} of {stages[0].t}")


def without_evaluations(after: Boundary[Any]) -> Boundary[Any]:
    """Particles whose experts are to be evaluated again; those of prefixes carry what they read."""
    populations = (after.population, after.healthy)
    return Boundary(
        *[
            p.with_particles(replace(p.particles, at=None))
            if isinstance(p.particles.at, Evaluation)
            else p
            for p in populations
        ]
    )
