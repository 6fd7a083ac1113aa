"""A run of a bound plan, stage by stage, and its result."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch

from poedsl.compiler.plan.option_values import kernel_traits
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.planner.factors import PICTURES
from poedsl.runtime.annealing_driver import AnnealingDriver
from poedsl.runtime.build.number_type import number_type
from poedsl.runtime.build.observed_data import observed_data
from poedsl.runtime.build.prepare import RunnableModel, prepare
from poedsl.runtime.core.attention import right_attention
from poedsl.runtime.core.cost import Cost, peak_memory
from poedsl.runtime.core.devices import find_device
from poedsl.runtime.core.random_numbers import Noise
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.core.sampler_options import SamplerOptions
from poedsl.runtime.core.state import SavedState
from poedsl.runtime.core.torch_state import default_torch_state
from poedsl.runtime.core.warnings import WarningLog
from poedsl.runtime.results.decoded import decoded
from poedsl.runtime.results.evidence import evidence
from poedsl.runtime.results.particle_histories import PredictedEndpoints, Snapshots
from poedsl.runtime.results.posterior_summary import PosteriorSummary, named, summarise
from poedsl.runtime.results.reported_values import reported, try_reports, where_finite
from poedsl.runtime.results.result import Result
from poedsl.runtime.results.verdict import assess, number_signs
from poedsl.runtime.smc.health import AllParticlesLost
from poedsl.runtime.smc.population import Population
from poedsl.runtime.smc.recorder import Recorder
from poedsl.runtime.smc.records import Outcome, StageRecord
from poedsl.runtime.smc.snapshots import SnapshotCollector
from poedsl.runtime.stage_view import StageView, ordinary
from poedsl.runtime.targets.target import Target

logger = logging.getLogger(__name__)
#: Records of stages by which a run is estimated.
TRIED = 3


class Run:
    """One run of a plan whose inputs are all bound.

    Args:
        look_ahead: is called with the number of places that rules on text have looked ahead before
            the first stage, and of all.
        between_stages: is called with the run after every stage, those of a pilot run included.

    Raises:
        PoeError: the device does not exist, or the plan cannot be prepared.
    """

    @default_torch_state()
    def __init__(
        self,
        plan: PlanSpec,
        settings: RunSettings | None = None,
        look_ahead: Callable[[int, int], None] | None = None,
        between_stages: Callable[[Run], None] | None = None,
    ) -> None:
        self.plan, self.settings = plan.sampled, settings or RunSettings()
        self._with_data = plan
        self.device = find_device(self.settings.device)
        self.options = o = SamplerOptions.of(plan)
        self.warnings = WarningLog()
        with self.warnings.of_loading(), right_attention():
            model = prepare(self.plan, self.settings, self.warnings, look_ahead)
        kind = number_type(self.plan, self.settings)
        rng = Noise(self.settings.seed, o.islands, o.particles, self.device, dtype=kind)
        numbers = o.islands * o.particles * model.target.space.size
        rewarded = bool(model.target.reward_factors)
        self.snapshots = SnapshotCollector.of(self.settings.shown_stages, numbers, rewarded)
        before_resampling = self.snapshots.before_resampling
        self._driver = AnnealingDriver.of(
            o, model, rng, self.warnings, self._between_stages, before_resampling
        )
        self._populations: Iterator[Population[Any]] | None = None
        self._watch = between_stages
        try_reports(self.plan, self.target.space, self.target.environment)
        self.recorder = Recorder(
            rewarded=bool(self.target.reward_factors),
            has_step_size=kernel_traits(o.kernel).has_step_size,
        )
        self.outcome = Outcome.COMPLETED
        self.population: Population[Any] | None = None
        self._tried = 0
        logger.info("%s on %s in %s: %s", plan.program, self.device, kind, o)

    @property
    def model(self) -> RunnableModel[Any]:
        """The model that runs; once a pilot run has ended, with what that has tuned."""
        return self._driver.model

    @property
    def rng(self) -> Noise:
        return self._driver.rng

    @property
    def target(self) -> Target:
        return self.model.target

    @property
    def stage_count(self) -> int:
        """How many stages there are; where the run places them, how many there will be if it goes
        on as it has so far, and at most those that there may be.
        """
        most, records = len(self.model.stages), self.recorder.records
        placed = self.options.share is None or self.options.unbiased
        if placed or not records or records[-1].beta == 0:
            return most
        return min(most, math.ceil(len(records) / records[-1].beta))

    @property
    def log_evidence(self) -> list[float]:
        """Log Z after each stage so far, in the variables' own units."""
        shift = self.target.evidence_shift
        return [value - shift for value in self.recorder.log_evidence]

    def stages(self) -> Iterator[StageRecord]:
        """Run, a record at a time; those of before a `state` that was restored come first."""
        yield from self.recorder.records[: self._tried]
        while (record := self._next()) is not None:
            yield record

    @default_torch_state()
    def _next(self) -> StageRecord | None:
        """Run one stage; None where the run has ended."""
        clock = time.perf_counter()
        gradient_free = self.target.inference_mode and not self.options.control
        gradients = torch.inference_mode() if gradient_free else torch.no_grad()
        with gradients, right_attention():
            try:
                self._populations = self._populations or self._driver.stages()
                population = next(self._populations, None)
            except AllParticlesLost as lost:
                self.outcome = lost.outcome
                if self.population is not None:
                    self.population = lost.population
                    return None
                population = lost.population  # of the pilot run: the run has no other stage
            if population is None:
                return None
            first = self.population is None
            self.population = population
            seconds = time.perf_counter() - clock
            if first:
                earlier_evaluations, earlier_seconds = self._driver.before_the_first_stage
                evaluations, seconds = 1 + earlier_evaluations, seconds + earlier_seconds
            else:
                steps = population.kernel_steps
                evaluations = self.model.evaluations(population.stage, steps)
            record = self.recorder.record(population, evaluations, seconds)
            index, length = len(self.recorder.records) - 1, self.model.length(population)
            self.snapshots.after_stage(population, index, self.model.endpoint, length)
            self._between_stages()
            return record

    def _between_stages(self) -> None:
        if self._watch is not None:
            self._watch(self)

    @default_torch_state()
    def state(self) -> SavedState:
        """All that the rest of the run depends on, after a stage."""
        return {
            "driver": self._driver.state(),
            "recorder": self.recorder.state(),
            "snapshots": self.snapshots.state(),
        }

    @default_torch_state()
    def restore(self, state: SavedState, *, anew: bool = False) -> None:
        """Go on from the `state` of a run of the same plan and settings, before any stage.

        The arguments and errors are those of `AnnealingDriver.restore`.
        """
        self._driver.restore(state["driver"], anew=anew)
        self.recorder.restore(state["recorder"])
        self.snapshots.restore(state["snapshots"])
        self._tried = len(self.recorder.records)
        if self._tried and self._driver.after is not None:
            self.population = self._driver.after.population

    @default_torch_state()
    def estimate(self) -> Cost:
        """What the run will take, by its start and first two stages, which `stages` yields too.

        Every other stage is taken to cost what the last of these does: a kernel's last evaluation
        serves the next stage, so that the first one is cheaper.
        """
        records = self.recorder.records
        while len(records) < TRIED and self._next() is not None:
            pass
        self._tried = len(records)
        assert self.population is not None
        clock = time.perf_counter()
        self.target.space.values(self.population.particles.x)
        shown = time.perf_counter() - clock
        seconds = sum(r.seconds for r in records) + shown
        seconds += (self.stage_count - self._tried) * records[-1].seconds
        steps = None if self.options.share is None else self.population.kernel_steps
        later = self.model.stages[self._tried : self.stage_count]
        nfe = sum(r.nfe for r in records) + sum(self.model.evaluations(s, steps) for s in later)
        return Cost(nfe, seconds, peak_memory(self.device))

    @default_torch_state()
    def view(self, record: StageRecord) -> StageView:
        assert self.population is not None
        population = self.population
        return StageView(
            record,
            self.stage_count,
            self.target.space,
            ordinary(population.particles.x),
            ordinary(self.model.endpoint(population)),
            population.total_log_weights,
            self.model.length(population),
            self.target.environment.vocabularies,
        )

    @default_torch_state()
    def result(self) -> Result:
        """What the finished run found."""
        assert self.population is not None
        population, particles = decoded(self.population, self.target, self.warnings)
        p, log_weights = population.particles, population.total_log_weights
        if bool(torch.isfinite(log_weights).any()):
            log_weights = log_weights - torch.logsumexp(log_weights, 0)
        elif self.outcome.ok and population is not self.population:
            self.outcome = Outcome.NOT_FINITE
        log_z = evidence(self.plan, population, self.target, self.outcome, self.warnings)
        composition = self.model.composition(len(p.x))
        shown = tuple(self.recorder.shown[: len(p.predicted_endpoints)])
        endpoints, space = p.predicted_endpoints, self.target.space
        doubts = () if composition is None else composition.warnings
        sites = self.target.sites(p.x)
        roots = population.contributions.roots
        posterior = summarise(
            named(self.plan, particles, sites),
            log_weights,
            roots,
            self.options.islands,
            {v.name for v in self.plan.variables if v.type.name in PICTURES},
        )
        reports = reported(self.plan, particles, self.target.environment)
        for name, value in reports.items():
            finite, weights = where_finite(name, value, log_weights, self.warnings)
            summary = summarise({name: finite}, weights, roots, self.options.islands)
            posterior = PosteriorSummary({**posterior, **summary})
        assessment = assess(
            self.plan,
            self.outcome,
            tuple(self.recorder.records),
            population.contributions.distinct_roots,
            log_z,
            posterior,
            (
                *self.warnings,
                *doubts,
                *number_signs(self.target.space.share_at_limits(p.x, log_weights)),
            ),
        )
        logger.info("%s: %s, %s", self.plan.program, self.outcome.value, assessment.verdict)
        return Result(
            plan=self._with_data,
            seed=self.settings.seed,
            particles=particles,
            log_weights=log_weights,
            log_values=self.target.log_values(p.x),
            exponents=self.target.factor_exponents,
            evidence=log_z,
            stages=tuple(self.recorder.records),
            eve_indices=torch.stack(self.recorder.eve_indices),
            parents=torch.stack(self.recorder.parents),
            calls=dict(self.target.calls),
            outcome=self.outcome,
            verdict=assessment.verdict,
            posterior=posterior,
            warnings=assessment.warnings,
            composition=composition,
            log_product=self.target.log_product if self.target.has_density else None,
            predicted_endpoints=PredictedEndpoints(space, shown, torch.stack(endpoints))
            if endpoints
            else None,
            snapshots=Snapshots(space, self.snapshots.shown()) if self.snapshots.most else None,
            peak_memory=peak_memory(self.device),
            sites=sites,
            vocabularies=dict(self.target.environment.vocabularies),
            reports=reports,
            data=partial(observed_data, self._with_data, self.settings),
        )
