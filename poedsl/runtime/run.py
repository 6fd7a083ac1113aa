"""A bound plan and a seed to a result, at once or stage by stage."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from poedsl.catalog.profiles import DEFAULT, Profile
from poedsl.compiler.plan.approximations import approximations, biases
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.experts.sequences.vocabulary import Words
from poedsl.experts.user.decorators import Code
from poedsl.grammar.diagnostics import Diagnostic, PoeError
from poedsl.runtime.build.prepare import prepare
from poedsl.runtime.path.noising_path import FlowPath
from poedsl.runtime.results.cost import Cost, peak_memory
from poedsl.runtime.results.result import Result, Trail, worded
from poedsl.runtime.smc import standard_errors
from poedsl.runtime.smc.loop import Annealer
from poedsl.runtime.smc.random_numbers import Noise
from poedsl.runtime.smc.records import Outcome, StageRecord
from poedsl.runtime.smc.settings import Options
from poedsl.runtime.space.coordinates import Space
from poedsl.runtime.targets.prefixes import PrefixAnnealer, SequenceTarget
from poedsl.runtime.targets.sections import SectionAnnealer, SectionTarget
from poedsl.runtime.targets.target import Target, Tilt

#: As many islands have a spread to go by.
ISLANDS = 4
#: Records of stages by which a run is estimated.
TRIED = 3
#: Particles of the start that make an evidence doubtful where they alone have descendants.
FEW = 10


@dataclass(frozen=True)
class StageView:
    """A stage as it is done, for progress and user interfaces.

    Attributes:
        record: what the stage says of itself.
        total: how many stages there are.
        x, endpoint: the particles and the predicted ends of their paths, (L, D), as the path holds
            them.
        log_weights: (L,), not normalised.
        length: how many components are there, all variables side by side; those of a prefix that
            are yet to come are shown as zeros.
        words: what symbols say, for each variable that has a text.
    """

    record: StageRecord
    total: int
    space: Space
    x: Shaped[Tensor, "L D"]
    endpoint: Shaped[Tensor, "L whole"]
    log_weights: Float[Tensor, " L"]
    length: int
    words: Mapping[str, Words]

    def texts(self, name: str) -> list[str]:
        """What each particle of a variable of tokens says so far, up to its end.

        Raises:
            PoeError: the variable has no text.
        """
        words, own = worded(self.words, name), self.space.slice(name)
        return words.texts(self.x[:, own.start : min(own.stop, self.length)])

    @cached_property
    def particles(self) -> dict[str, Shaped[Tensor, L * shape]]:
        """Each variable, (L, ...)."""
        return self.space.values(self.x)

    @cached_property
    def endpoints(self) -> dict[str, Shaped[Tensor, L * shape]]:
        """The predicted ends of their paths, likewise."""
        return self.space.values(self.endpoint)


class Run:
    """One run of a plan whose inputs are all bound.

    Raises:
        PoeError: the device does not exist, or the plan cannot be prepared.
    """

    def __init__(
        self,
        plan: PlanSpec,
        seed: int = 0,
        device: str = "cpu",
        microbatch: int | None = None,
        base: Path = Path(),
        allow_code: bool = False,
        profile: Profile = DEFAULT,
        along: int = 0,
        code: Mapping[str, Code] | None = None,
    ) -> None:
        self.plan, self.seed = plan, int(seed)
        place = find_device(device)
        microbatch = microbatch or profile.microbatch or None
        self.target, self.path = prepare(plan, place, base, allow_code, profile, code, microbatch)
        self.options = Options.of(plan)
        if self.options.potential != "difference":
            self.target.tilts = tuple(map(judging, self.target.tilts))
        self.target.microbatch = microbatch
        self.target.squares = self.options.correct == "fkc"
        self.device = place
        self.annealer = self._loop()
        if along and not isinstance(self.target, SequenceTarget):
            self.annealer.shown = frozenset(evenly(len(self.path.stages) - 1, along))
        self.records: list[StageRecord] = []
        self.steps, self.tried = self.annealer.run(), 0

    def _loop(self) -> Annealer:
        """Before its first stage."""
        noise = Noise(self.seed, self.options.islands, self.options.particles, self.device)
        if isinstance(self.target, SequenceTarget):
            return PrefixAnnealer(self.target, self.path, self.options, noise)
        if isinstance(self.target, SectionTarget):
            return SectionAnnealer(self.target, self.path, self.options, noise)
        return Annealer(self.target, self.path, self.options, noise)

    def stages(self) -> Iterator[StageRecord]:
        """Run, a record at a time."""
        yield from self.records[: self.tried]
        while (record := self._next()) is not None:
            yield record

    def _next(self) -> StageRecord | None:
        plain = self.target.inference_mode and not self.options.control
        with torch.inference_mode() if plain else torch.no_grad():
            record = next(self.steps, None)
        if record is not None:
            self.records.append(record)
        return record

    def estimate(self) -> Cost:
        """What the run will take, by its start and first two stages, which `stages` yields too.

        Every other stage is taken to cost what the last of these does: a kernel's last evaluation
        serves the next stage, so that the first one is cheaper.
        """
        while len(self.records) < TRIED and self._next() is not None:
            pass
        self.tried = len(self.records)
        p, stages = self.annealer.particles, self.path.stages
        clock = time.perf_counter()
        self.target.space.values(p.x)
        shown = time.perf_counter() - clock
        seconds = sum(r.seconds for r in self.records) + shown
        seconds += (len(stages) - self.tried) * self.records[-1].seconds
        nfe = self.records[0].nfe + sum(self.annealer.evaluations(s) for s in stages[1:])
        return Cost(nfe, seconds, peak_memory(self.device))

    def view(self, record: StageRecord) -> StageView:
        a, space = self.annealer, self.target.space
        p, at, stage = a.particles, a.at, a.stage
        length = a.length(stage) if isinstance(a, PrefixAnnealer) else p.x.shape[1]
        x = p.x.clone() if p.x.is_inference() else p.x
        endpoint = x if at is None else self.target.endpoint(x, at, stage)
        return StageView(
            record,
            len(self.path.stages),
            space,
            x,
            endpoint,
            a.total_log_weights(),
            length,
            self.target.environment.words,
        )

    def result(self) -> Result:
        """What the finished run found."""
        a, p = self.annealer, self.annealer.particles
        log_weights = a.total_log_weights()
        if bool(torch.isfinite(log_weights).any()):
            log_weights = log_weights - torch.logsumexp(log_weights, 0)
        evidence, error, reason = _evidence(self.plan, a, self.target, self.path)
        composition = a.observer.composition(len(p.x))
        shown = tuple(sorted(a.shown, reverse=True))[: len(p.trail)]
        trail = Trail(self.target.space, shown, torch.stack(p.trail)) if p.trail else None
        doubts = () if composition is None else composition.warnings
        if evidence is not None and a.founders < FEW <= len(p.x) / FEW:
            doubts = (*doubts, _inbred(a.founders, len(p.x)))
        return Result(
            plan=self.plan,
            seed=self.seed,
            particles=self.target.space.values(p.x),
            log_weights=log_weights,
            log_values=self.target.log_values(p.x),
            exponents=self.target.factor_exponents,
            log_evidence=evidence,
            log_evidence_se=error,
            evidence_reason=reason,
            stages=tuple(self.records),
            eve_indices=torch.stack(a.genealogy),
            calls=dict(self.target.calls),
            outcome=a.outcome,
            warnings=(*self.target.warnings, *a.warnings, *doubts),
            composition=composition,
            log_product=self.target.log_product if self.target.has_density else None,
            trail=trail,
            peak_memory=peak_memory(self.device),
            sites=self.target.sites(p.x),
            words=dict(self.target.environment.words),
        )


def run(
    plan: PlanSpec,
    seed: int = 0,
    device: str = "cpu",
    microbatch: int | None = None,
    observe: Callable[[StageRecord, int], None] | None = None,
    base: Path = Path(),
    allow_code: bool = False,
    profile: Profile = DEFAULT,
    along: int = 0,
    code: Mapping[str, Code] | None = None,
) -> Result:
    """Run a bound plan to its end.

    Args:
        base: the folder that files and ``use`` statements are relative to.
        allow_code: whether Python that the program names may run.
        profile: which weights experts have, and how their networks run.
        along: stages, evenly spaced, whose predicted endpoints the result keeps.
        code: the Python that the program was compiled with, by name.
        observe: is called with each stage's record and the number of stages; it cannot change the
            run.
    """
    job = Run(plan, seed, device, microbatch, base, allow_code, profile, along, code)
    for record in job.stages():
        if observe is not None:
            observe(record, len(job.path.stages))
    return job.result()


def _inbred(founders: int, count: int) -> str:
    return (
        f"the {count} particles descend from {founders} of those at the start, so that the "
        "evidence may be far off, whatever its error: more `steps`, or `path = temper()` where it "
        "can be had"
    )


def evenly(last: int, count: int) -> list[int]:
    """As many of the numbers 1 to ``last``, evenly spaced, the first among them."""
    count = min(count, last)
    return [1 + round(k * (last - 1) / max(count - 1, 1)) for k in range(count)]


def judging(tilt: Tilt) -> Tilt:
    """A reward that only weighs, as every potential but differences has it."""
    return replace(tilt, guiding=tilt.guiding and tilt.kind == "where")


def find_device(name: str) -> torch.device:
    """The device of a name.

    Raises:
        PoeError: there is no such device on this machine, or it has no double precision.
    """
    here = {"cpu:0": torch.device("cpu")}
    kind = torch.accelerator.current_accelerator()
    if kind is not None and kind.type != "mps":
        indices = range(torch.accelerator.device_count())
        here |= {f"{kind.type}:{i}": torch.device(kind.type, i) for i in indices}
    try:
        device = torch.device(str(name))
    except RuntimeError:
        device = None
    full = "" if device is None else f"{device.type}:{device.index or 0}"
    if full in here:
        return here[full]
    notes = ["its devices: " + ", ".join(map(str, here.values()))]
    if device is not None and device.type == "mps":
        notes.insert(0, "log weights are in double precision, which `mps` does not have")
    message = f"there is no device `{name}` on this machine"
    raise PoeError((Diagnostic("P0702", message, notes=tuple(notes)),))


def _evidence(
    plan: PlanSpec, a: Annealer, target: Target, path: FlowPath
) -> tuple[float | None, float | None, str]:
    """Log Z in the variables' own units, its standard error, and why one is missing."""
    if a.outcome is not Outcome.COMPLETED:
        return None, None, "the run did not complete"
    if target.field:
        return None, None, target.field
    for setting in biases(plan):
        if setting.option != "potential" or target.judges:
            return None, None, f"{setting.biased} ({setting})"
    if isinstance(a, PrefixAnnealer) and a.endless:
        return None, None, f"{a.endless[0]} divides by zero: the sum over sequences has no bound"
    per_component = (path.exponents.double() - 1) * target.space.scale.double().log()
    shift = float(per_component.sum())
    each = a.island_evidence() - shift
    value = float(torch.logsumexp(each, 0)) - math.log(len(each))
    if not math.isfinite(value):
        return None, None, "all particles have weight zero"
    error, missing = _standard_error(a, each)
    return value, error, "; ".join([*_approximate(plan), *missing])


def _standard_error(a: Annealer, each: Float[Tensor, " S"]) -> tuple[float | None, list[str]]:
    """The error of log Z by what the run allows, or what would have allowed it."""
    if len(each) >= ISLANDS:
        spread = standard_errors.between(each)
        known = math.isfinite(spread)
        return (
            (spread, []) if known else (None, ["no standard error: one island has all the weight"])
        )
    if a.options.scheme != "multinomial" and bool(a.rounds.any()):
        how = "a standard error takes four islands or more, or resample = multinomial()"
        return None, [how]
    error, why = standard_errors.within(each, *a.families, a.rounds)
    remedy = "more particles, or four islands or more"
    return error, [f"no standard error: {why}; {remedy}"] if why else []


def _approximate(plan: PlanSpec) -> list[str]:
    """Why the evidence is not exact, however many particles there are."""
    return [f"approximate: {s.approximate} ({s})" for s in approximations(plan)]
