"""Algorithm 1 of Zhang et al., made exact: the loop that anneals particles from noise to data."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from poedsl.runtime.kernels import kernels
from poedsl.runtime.path import moves
from poedsl.runtime.path.control_drift import Control, fitted
from poedsl.runtime.path.noising_path import FlowPath, Interval, Stage
from poedsl.runtime.results.composition import Observer
from poedsl.runtime.smc import potentials
from poedsl.runtime.smc.particles import Evaluation, Particles, Point
from poedsl.runtime.smc.random_numbers import Noise
from poedsl.runtime.smc.records import Outcome, StageRecord
from poedsl.runtime.smc.resampling import FEW, SCHEMES, along, effective_size, spread, systematic
from poedsl.runtime.smc.settings import Options
from poedsl.runtime.targets.target import Target
from poedsl.runtime.targets.tempering import TemperedTarget, tempered


@dataclass(slots=True)
class Annealer:
    """One run: what it aims at, how, and the population as it stands.

    Attributes:
        banked: log evidence of each island up to its last resampling.
        levels: log of each island's mean weight since then.
        rounds: how often each island was resampled.
        sizes: step size of the kernel, for each island.
        founders: how many particles of the start have descendants.
        genealogy: the ancestors after every stage.
        stage: where the particles are.
        observer: gathers the composition report.
        good: particles, what was banked beside them, and their stage, when all was last well.
        uneven: log weights and ancestors as they were before `even`, where it took place.
        shown: numbers of the stages whose predicted endpoints are kept.
    """

    target: Target
    path: FlowPath
    options: Options
    noise: Noise
    observer: Observer = field(init=False)
    particles: Particles = field(init=False)
    banked: Float[Tensor, " S"] = field(init=False)
    levels: Float[Tensor, " S"] = field(init=False)
    rounds: Int[Tensor, " S"] = field(init=False)
    sizes: Float[Tensor, "S 1"] = field(init=False)
    founders: int = field(init=False)
    stage: Stage = field(init=False)
    good: tuple[Particles, Float[Tensor, " S"], Stage] = field(init=False)
    genealogy: list[Int[Tensor, " L"]] = field(default_factory=list)
    uneven: tuple[Float[Tensor, " L"], Int[Tensor, " L"]] | None = None
    outcome: Outcome = Outcome.COMPLETED
    warnings: list[str] = field(default_factory=list)
    shown: frozenset[int] = frozenset()

    def run(self) -> Iterator[StageRecord]:
        """The loop. Each stage is reported when it is done; the population is in ``particles``."""
        clock = time.perf_counter()
        weighed = self.options.correct != "none"
        self.observer = Observer.of(self.target, self.path.stages, weighed=weighed)
        self.stage = self.path.stages[0]
        self.start(self.stage)
        ess = self.ess(self.effective_sizes())
        before = self.log_evidence()
        yield self.record(self.stage, clock, before, ess, False, None, 1)
        for stage, step in self.schedule():
            clock = time.perf_counter()
            self.remember()
            self.move(stage, step)
            if not self.bury(stage):
                return
            sizes = self.effective_sizes()
            ess = self.ess(sizes)
            resampled = self.resample(stage, sizes)
            self.good = self.particles, self.banked, stage
            acceptance = self.kernel(stage)
            if stage.t == 1 and not self.bury(stage):
                return
            if stage.t == 1 and self.target.judges:
                self.settle()
                if not self.bury(stage):
                    return
                self.genealogy.pop()
                sizes = self.effective_sizes()
                ess = min(ess, self.ess(sizes))
                resampled = self.resample(stage, sizes, "settle") or resampled
            if stage.t == 1:
                self.remember()
            evidence = self.log_evidence()
            gain, before = evidence - before, evidence
            evaluations = self.evaluations(stage)
            yield self.record(stage, clock, gain, ess, resampled, acceptance, evaluations)

    # The steps of the box, in its order.

    def start(self, stage: Stage) -> None:
        """X ~ p_T = N(0, I / W), weighed where the experts' own p_T is known."""
        o, noise, w = self.options, self.noise, self.path.exponents
        count, width = noise.size * noise.islands, self.target.space.size
        device = noise.device
        known = self.target.first(noise, stage)
        x = noise.normal(width, stage.t, "start") / w.sqrt() if known is None else known
        drawn = torch.isfinite(x).all(-1)
        x = torch.where(drawn[:, None], x, 0.0)
        at = self.evaluate(x, stage)
        log_start = self.path.log_normaliser(width)
        log_weights = torch.full((count,), log_start, dtype=torch.float64, device=device)
        if known is None and o.correct != "none" and at.log_density is not None:
            log_normal = 0.5 * (w.double().expand(width) / (2 * math.pi)).log().sum()
            square = (w * x.square()).sum(-1).double()
            log_weights = at.log_density.double() + 0.5 * square - log_normal
        log_weights = torch.where(drawn, log_weights, -math.inf)
        slots = torch.arange(count, device=device)
        zeros = torch.zeros(count, dtype=torch.float64, device=device)
        peak = potentials.start(o.potential, zeros)
        self.particles = Particles(x, log_weights, zeros, zeros, zeros, peak, slots, at)
        self.found()

    def found(self) -> None:
        """Nothing is banked yet, and every particle descends from itself."""
        islands, slots = self.noise.islands, self.particles.eve_indices
        self.banked = torch.zeros(islands, dtype=torch.float64, device=slots.device)
        self.rounds = torch.zeros(islands, dtype=torch.long, device=slots.device)
        size = self.options.kernel_size
        self.sizes = torch.full((islands, 1), size, dtype=torch.float32, device=slots.device)
        self.founders = len(slots)
        self.genealogy.append(slots)
        self.good = self.particles, self.banked, self.stage

    def move(self, stage: Stage, step: Interval) -> None:
        """X <- move(x); log w += correction; log w += potential."""
        old = self.evaluated()
        p = self.particles
        control = self.control(p.x, old)
        moved = self.moved(p.x, old, stage, step, control)
        new = self.look(moved.x, stage) if self.judgeable(stage) else None
        increment = self.correction(p.x, old, moved, new, step, control)
        self.arrive(moved.x, new, increment, stage)

    def arrive(
        self,
        x: Float[Tensor, "L D"],
        at: Evaluation | None,
        increment: Float[Tensor, " L"],
        stage: Stage,
    ) -> None:
        """Where a move led, and the experts there; log w += its increment, and the potentials."""
        o, p = self.options, self.particles
        guide, reward, counted, peak = p.carried, p.reward, p.counted, p.peak
        if self.target.guides:
            own = self.target.exact(x) if at is None else at.guide
            assert own is not None
            guide = own.double()
            increment = increment + (guide - p.carried)
        if self.target.judges and self.weighs(stage):
            reward = self.target.judged(x, at, stage).double()
            self.note_walls(reward, stage)
            gain, counted, peak = potentials.count(
                o.potential, reward, p.counted, p.peak, o.weighing
            )
            increment = increment + gain
        self.particles = replace(
            p,
            x=x,
            at=at,
            log_weights=p.log_weights + increment,
            carried=guide,
            reward=reward,
            counted=counted,
            peak=peak,
        )
        self.stage = stage

    def control(self, x: Float[Tensor, "L D"], at: Evaluation) -> Control | None:
        """The drift that evens out the weights of the coming move, where one is asked for."""
        if at.gains is None:
            return None
        rate = moves.fkc_rate(x, at, self.path.excess)
        return fitted(rate, at.gains, self.particles.log_weights, self.noise.islands)

    def moved(
        self,
        x: Float[Tensor, "L D"],
        at: Evaluation,
        stage: Stage,
        step: Interval,
        control: Control | None,
    ) -> moves.Moved:
        if self.options.move == "none":
            return moves.Moved(x)
        if self.options.move == "ode":
            return moves.ode(x, at, step, self.path.excess, control)
        still = not self.judgeable(stage)
        noise = None if still else self.noise.normal(x.shape[-1], stage.t, "move")
        return moves.sde(x, at, step, noise, control)

    def correction(
        self,
        x: Float[Tensor, "L D"],
        old: Evaluation,
        moved: moves.Moved,
        new: Evaluation | None,
        step: Interval,
        control: Control | None,
    ) -> Float[Tensor, " L"]:
        """None | FKC | AIS, and what following the rewards' gradient owes."""
        if self.options.correct == "ais":
            assert new is not None
            return moves.ais_ratio(x, old, moved.x, new, moved.noise, step)
        if self.options.correct == "none":
            return x.new_zeros(len(x)) if moved.twist is None else moved.twist
        rate, length = moves.fkc_rate(x, old, self.path.excess, control), step.log_alpha
        if new is not None:
            rate = rate.add_(moves.fkc_rate(moved.x, new, self.path.excess, control))
            length = 0.5 * length
        gain = moves.clipped(rate.mul_(length), self.options.clip, self.noise.islands)
        return gain if moved.twist is None else gain + moved.twist

    def resample(self, stage: Stage, sizes: list[float], purpose: str = "resample") -> bool:
        """If the rule says so: everything a particle carries, in one gather; bank the evidence.

        Once more after the last correction only where that changed the weights. Before a last
        kernel all particles are drawn evenly instead, whatever the rule says then.
        """
        p, islands = self.particles, self.noise.islands
        log_weights = p.log_weights.view(islands, -1)
        islands_due = self.due(stage, log_weights, sizes)
        if self.evens(stage):
            self.even(stage)
            return any(islands_due)
        if purpose == "settle":
            uneven = (log_weights.amax(-1) > log_weights.amin(-1)).tolist()
            islands_due = [d and u for d, u in zip(islands_due, uneven, strict=True)]
        if not any(islands_due):
            self.genealogy.append(p.eve_indices)
            return False
        due = torch.tensor(islands_due, device=p.x.device)
        scheme = SCHEMES[self.options.scheme]
        count = 1 if scheme is systematic else self.noise.size
        chosen = scheme(log_weights, self.noise.shared(stage.t, purpose, count))
        same = torch.arange(self.noise.size, device=p.x.device).expand_as(chosen)
        index = self.slots(torch.where(due[:, None], chosen, same))
        self.banked = torch.where(due, self.banked + self.levels, self.banked)
        self.levels = torch.where(due, 0.0, self.levels)
        self.rounds = self.rounds + due
        fresh = torch.where(due[:, None], 0.0, log_weights).flatten()
        self.particles = replace(p.gather(index), log_weights=fresh)
        self.founders = int(torch.bincount(self.particles.eve_indices).count_nonzero())
        self.genealogy.append(self.particles.eve_indices)
        return True

    def evens(self, stage: Stage) -> bool:
        """Whether an unbiased rule that names no stages is followed by a last kernel, which takes
        copies apart, and no black-box rewards have yet to be settled.
        """
        o = self.options
        if stage.t > 1 or o.kernel not in kernels.ACCEPTANCE or not self.kernel_steps(stage):
            return False
        ruled = o.resample is not None and not o.resample.stages and o.scheme != "tophalf"
        return ruled and not self.target.judges

    def even(self, stage: Stage) -> None:
        """Draw particles of one weight, the mean of their island: the evidence is what it was.

        Where components are few, copies come evenly from all regions.
        """
        p, islands = self.particles, self.noise.islands
        log_weights = p.log_weights.view(islands, -1)
        same = torch.arange(self.noise.size, device=p.x.device).expand_as(log_weights)
        order = along(p.x.view(islands, self.noise.size, -1)) if p.x.shape[-1] <= FEW else same
        uniform = self.noise.shared(stage.t, "even")
        chosen = order.gather(1, systematic(log_weights.gather(1, order), uniform)).sort(1).values
        alive = torch.isfinite(self.levels)[:, None]
        index = self.slots(torch.where(alive, chosen, same))
        self.uneven = self.families
        self.particles = replace(
            p.gather(index), log_weights=self.levels.repeat_interleave(self.noise.size)
        )
        self.founders = int(torch.bincount(self.particles.eve_indices).count_nonzero())
        self.genealogy.append(self.particles.eve_indices)

    def slots(self, local: Int[Tensor, "S n"]) -> Int[Tensor, " L"]:
        """The slots of particles that are counted within their islands."""
        first = self.noise.size * torch.arange(self.noise.islands, device=local.device)
        return (local + first[:, None]).flatten()

    def due(
        self, stage: Stage, log_weights: Float[Tensor, "S n"], sizes: list[float]
    ) -> list[bool]:
        """Which islands resample now; at the end also those with particles of weight zero."""
        rule = self.options.resample
        if rule is None:
            return [False] * len(sizes)
        below = rule.below * log_weights.shape[-1]
        if rule.always or stage.t in rule.stages:
            below = math.inf
        holed = torch.isinf(log_weights).any(-1).tolist() if stage.t == 1 else [False] * len(sizes)
        return [size > 0 and (size < below or h) for size, h in zip(sizes, holed, strict=True)]

    def kernel(self, stage: Stage) -> float | None:
        """K times x <- kernel_t(x); the mean acceptance, where there is one."""
        o, width, w = self.options, self.particles.x.shape[-1], self.path.exponents
        if not self.kernel_steps(stage):
            return None
        per_island = self.noise.size

        def evaluate(x: Float[Tensor, "L D"]) -> Evaluation:
            return self.evaluate(x, stage)

        def scores(x: Float[Tensor, "L D"]) -> Float[Tensor, "L D"]:
            return self.target.scores(x, stage)

        rise = kernels.between_densities if o.line is None else kernels.along_line(scores, o.line)
        rates: list[Float[Tensor, "S 1"]] = []
        adjusted = o.kernel in kernels.ACCEPTANCE
        if adjusted and o.adapt and stage.narrowing != 1:
            self.sizes = self.sizes * kernels.followed(stage.narrowing, o.kernel, o.kernel_steps)
        normals, uniforms = self.noise.proposals(width, stage.t, o.kernel_steps, accepting=adjusted)
        judge, reward = kernels.unjudged, None
        if self.judged(stage):
            judge, reward = partial(self.rewarded, stage), self.particles.counted
        point = Point(self.particles.x, self.at, reward)
        for step, noise in enumerate(normals):
            size = (
                self.sizes if len(self.sizes) == 1 else self.sizes.repeat_interleave(per_island, 0)
            )
            if uniforms is None:
                point = self.unadjusted(point, evaluate, noise, size * stage.sigma**2 / w)
                continue
            uniform = uniforms[step]
            point, chance = self.adjusted(point, evaluate, noise, uniform, size, rise, judge)
            rates.append(chance.view(-1, per_island).mean(-1, keepdim=True))
            if o.adapt:
                self.sizes = kernels.adapted(self.sizes, rates[-1], kernels.ACCEPTANCE[o.kernel])
        self.particles = replace(self.particles, x=point.x, at=point.at)
        if self.target.guides:
            guide = self.evaluated().guide
            assert guide is not None
            self.particles = replace(self.particles, carried=guide.double())
        if point.reward is not None:
            counted = point.reward
            self.particles = replace(self.particles, reward=counted, counted=counted)
        return float(torch.cat(rates).mean()) if rates else None

    def unadjusted(
        self, point: Point, evaluate: kernels.Evaluate, noise: Tensor, size: Float[Tensor, "#L #D"]
    ) -> Point:
        if self.options.kernel == "langevin":
            return kernels.langevin(point, evaluate, noise, size)
        return kernels.unadjusted_hmc(point, evaluate, noise, size, self.options.leaps)

    def adjusted(
        self,
        point: Point,
        evaluate: kernels.Evaluate,
        noise: Tensor,
        uniform: Tensor,
        size: Tensor,
        rise: kernels.Rise,
        judge: kernels.Judge,
    ) -> tuple[Point, Float[Tensor, " L"]]:
        o = self.options
        if o.kernel == "hmc":
            return kernels.hmc(point, evaluate, noise, uniform, size, o.leaps, rise, judge)
        step = kernels.random_walk if o.kernel == "random_walk" else kernels.mala
        return step(point, evaluate, noise, uniform, size, rise, judge)

    def settle(self) -> None:
        """The last reward correction: black-box rewards and conditions at the particles."""
        p = self.particles
        reward = self.target.judge(p.x, final=True).double()
        self.particles = replace(
            p, log_weights=p.log_weights + reward - p.counted, reward=reward, counted=reward
        )

    def remember(self) -> None:
        """Keep the predicted endpoint at a stage that is to be shown, before the move that needs
        the experts there too.
        """
        if self.stage.t not in self.shown:
            return
        end = self.particles.x
        if self.stage.sigma > 0:
            end = self.target.endpoint(end, self.evaluated(), self.stage).detach()
        self.particles = replace(self.particles, trail=(*self.particles.trail, end))

    # What the steps above lean on.

    def schedule(self) -> Iterator[tuple[Stage, Interval]]:
        """The stages after the first, each with the way there."""
        share = self.options.share
        if share is None:
            yield from zip(self.path.stages[1:], self.path.intervals, strict=True)
            return
        assert isinstance(self.target, TemperedTarget)
        for step in self.path.intervals:
            x, at = self.particles.x, self.evaluated()
            stage = self.target.ahead(x, at, self.total_log_weights(), self.stage, share)
            if self.stage.t == 2 and stage.beta < 1:
                self.warnings.append(
                    f"temper(ess = {share:g}) had no stages left at b = {self.stage.beta:.2g} and "
                    "went to 1 at once: more `steps`, or a smaller `ess`"
                )
                stage = tempered(1, 1.0)
            yield stage, step
            if stage.t == 1:
                return

    def evaluated(self) -> Evaluation:
        """The experts at the particles, evaluated where they are not yet."""
        if self.particles.at is None:
            at = self.evaluate(self.particles.x, self.stage)
            self.particles = replace(self.particles, at=at)
        assert self.at is not None
        return self.at

    @property
    def at(self) -> Evaluation | None:
        """The experts at the particles, where they are evaluated."""
        at = self.particles.at
        assert at is None or isinstance(at, Evaluation)
        return at

    def evaluate(self, x: Float[Tensor, "L D"], stage: Stage) -> Evaluation:
        signs = self.noise.signs(x.shape[-1], stage.t) if self.options.control else None
        return self.target.evaluate(x, stage, signs)

    def look(self, x: Float[Tensor, "L D"], stage: Stage) -> Evaluation:
        """The experts where a move led; at some stages the composition report takes note."""
        with self.observer.looking(stage):
            at = self.evaluate(x, stage)
        return self.observer.noted(x, at, stage)

    def evaluations(self, stage: Stage) -> int:
        """Evaluations of all experts that this stage took (Zhang et al., E.1)."""
        o = self.options
        each = o.leaps + (o.line or 0)
        return 1 + self.kernel_steps(stage) * each if self.judgeable(stage) else 0

    def weighs(self, stage: Stage) -> bool:
        """Whether black-box rewards weigh at a stage: where `at(...)` names some, only at those
        (Zhang et al., E.6).
        """
        rule = self.options.resample
        return rule is None or not rule.stages or stage.t in rule.stages

    def judged(self, stage: Stage) -> bool:
        """Whether kernels accept by the black-box rewards, which then are part of their target:
        where adjusted ones run and rewards weigh by what they are at a stage alone.
        """
        o = self.options
        counts = any(t.kind != "where" for t in self.target.judges)
        adjusted = o.kernel in kernels.ACCEPTANCE and o.potential == "difference"
        return counts and adjusted and self.weighs(stage)

    def rewarded(self, stage: Stage, point: Point) -> Point:
        """A point with its black-box rewards."""
        return replace(point, reward=self.target.judged(point.x, point.at, stage).double())

    def judgeable(self, stage: Stage) -> bool:
        """Whether the experts can be evaluated at a stage: learned flows cannot at its end."""
        return stage.sigma > 0 or self.target.terminal

    def kernel_steps(self, stage: Stage) -> int:
        """Kernel steps at a stage; unadjusted ones shrink to nothing at the end."""
        still = self.options.kernel not in kernels.ACCEPTANCE and stage.sigma == 0
        return self.options.kernel_steps if self.judgeable(stage) and not still else 0

    def bury(self, stage: Stage) -> bool:
        """Give particles that are not finite weight zero, with a warning that names the factor.

        Returns:
            Whether any particle has weight left; where none has, the outcome says why, and the
            population is that of the last stage where all was well.
        """
        p = self.particles
        if math.isfinite(float(p.x.sum() + p.log_weights.sum())):
            return True
        lost = (
            torch.isnan(p.log_weights) | (p.log_weights == math.inf) | ~torch.isfinite(p.x).all(-1)
        )
        if bool(lost.any()):
            self.blame(lost, stage)
            at = None if p.at is None else p.at.where(~lost, p.at.zeros())
            self.particles = replace(
                p,
                x=torch.where(lost[:, None], p.x.new_zeros(()), p.x),
                at=at,
                log_weights=torch.where(lost, -math.inf, p.log_weights),
                carried=torch.where(lost, 0.0, p.carried),
                reward=torch.where(lost, 0.0, p.reward),
                counted=torch.where(lost, 0.0, p.counted),
                peak=torch.where(lost, 0.0, p.peak),
            )
        alive = bool(torch.isfinite(self.particles.log_weights).any())
        if not alive:
            self.outcome = Outcome.NOT_FINITE if bool(lost.all()) else Outcome.NO_WEIGHT
            self.particles, self.banked, self.stage = self.good
            self.warnings.append(
                f"no particle outlived stage {stage.t}; "
                f"kept are those that the kernel of stage {self.stage.t} was given"
            )
        return alive

    def note_walls(self, reward: Float[Tensor, " L"], stage: Stage) -> None:
        """Warn once of rewards that are minus infinity at predicted endpoints."""
        walls = int((reward == -math.inf).sum())
        known = any("minus infinity" in w for w in self.warnings)
        if not walls or known or stage.t == 1 or isinstance(self.target, TemperedTarget):
            return
        named = ", ".join(f"`{t.name}` at {t.place}" for t in self.target.judges)
        self.warnings.append(
            f"a reward ({named}) is minus infinity where {walls} of {len(reward)} particles were "
            f"expected to end at stage {stage.t}; that kills them, though they might end "
            "elsewhere, and the evidence is too low: `where` or `path = temper()` does without"
        )

    def blame(self, lost: Bool[Tensor, " L"], stage: Stage) -> None:
        """Warn once of each factor that is not finite, at the first stage where it is not."""
        count = f"not finite for {int(lost.sum())}/{len(lost)} particles at stage {stage.t}"
        faults = self.target.faults(self.particles.x[lost], stage)
        guilty = next((f"{name} at {place}" for name, place, bad in faults if bad), "a weight")
        if not any(w.startswith(f"{guilty} is") for w in self.warnings):
            self.warnings.append(f"{guilty} is {count}")

    def effective_sizes(self) -> list[float]:
        """Effective sample size of each island, its level brought up to date."""
        log_weights = self.particles.log_weights.view(self.noise.islands, -1)
        sizes, self.levels = spread(log_weights)
        each: list[float] = sizes.tolist()
        return each

    def ess(self, sizes: list[float]) -> float:
        """Effective sample size of the whole population, from those of its islands."""
        return sizes[0] if len(sizes) == 1 else float(effective_size(self.total_log_weights()))

    def total_log_weights(self) -> Float[Tensor, " L"]:
        """Weights comparable between islands: what each banked, and what it has gathered since."""
        own = self.particles.log_weights.view(self.noise.islands, -1)
        return (own + self.banked[:, None]).flatten()

    @property
    def families(self) -> tuple[Float[Tensor, " L"], Int[Tensor, " L"]]:
        """Log weights since the last resampling that banked any, and the ancestors they are of."""
        return self.uneven or (self.particles.log_weights, self.particles.eve_indices)

    def island_evidence(self) -> Float[Tensor, " S"]:
        return self.banked + self.levels

    def log_evidence(self) -> float:
        """Log of the mean of the islands' evidence, in the coordinates of the path."""
        each = self.island_evidence()
        whole = each if len(each) == 1 else torch.logsumexp(each, 0)
        return float(whole) - math.log(len(each))

    def record(
        self,
        stage: Stage,
        clock: float,
        increment: float,
        ess: float,
        resampled: bool,
        acceptance: float | None,
        evaluations: int,
    ) -> StageRecord:
        p = self.particles
        log_weights, _ = self.families
        variance = float(log_weights.var(correction=0))
        if not math.isfinite(variance):
            finite = log_weights[torch.isfinite(log_weights)]
            variance = float(finite.var(correction=0)) if len(finite) else 0.0
        rewards = None
        if self.target.tilts:
            cut = torch.tensor([0.05, 0.5, 0.95], dtype=torch.float64, device=p.x.device)
            found = (p.carried + p.reward).nan_to_num(neginf=-1e300)
            rewards = tuple(float(q) for q in torch.quantile(found, cut))
        return StageRecord(
            t=stage.t,
            beta=stage.beta,
            ess=ess,
            unique_ancestors=self.founders,
            acceptance=acceptance,
            nfe=evaluations,
            seconds=time.perf_counter() - clock,
            log_evidence_increment=increment,
            resampled=resampled,
            weight_variance=variance,
            rewards=rewards,
            step_size=None
            if self.options.kernel in ("none", "gibbs")
            else float(self.sizes.sqrt().mean()),
        )
