"""A bound plan to what the loop runs: experts built, coordinates chosen, the path laid out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from poedsl.catalog.profiles import DEFAULT, Profile
from poedsl.catalog.signatures import Signature
from poedsl.compiler.plan.plan import GENERATIVE, FactorSpec, PlanSpec
from poedsl.compiler.plan.terms import Apply, Const, Ref, Term, names, walk
from poedsl.experts.densities.gaussian_mixtures import Gaussians
from poedsl.experts.loading.diffusers_parts import free_encoders
from poedsl.experts.protocol import Scheduled, Sited
from poedsl.experts.user.decorators import Code
from poedsl.runtime.build.ancestral_draws import Drawn, ancestral
from poedsl.runtime.build.densities import Densities
from poedsl.runtime.build.evaluate import Environment, evaluate, tensor
from poedsl.runtime.build.exponents import Seat, covered, exponents, normalised
from poedsl.runtime.build.models import Models, runnable
from poedsl.runtime.build.refusals import refused, site
from poedsl.runtime.build.sequence_experts import Readers
from poedsl.runtime.build.text_rules import text_rules
from poedsl.runtime.build.values import Values
from poedsl.runtime.path.noising_path import FlowPath, Schedule, at_times
from poedsl.runtime.path.positive_precision import DATA, on_the_way
from poedsl.runtime.path.schedule import balanced
from poedsl.runtime.smc.settings import Options
from poedsl.runtime.space.constrained import centred, charts
from poedsl.runtime.space.coordinates import PICTURE_CENTRE, PICTURE_SCALE, Known, Space
from poedsl.runtime.space.latents import codecs
from poedsl.runtime.space.parts import locate
from poedsl.runtime.space.sizes import fits, shapes
from poedsl.runtime.targets.ancestral_prior import Prior, prior
from poedsl.runtime.targets.parent_guidance import Guide, guides
from poedsl.runtime.targets.prefixes import SequenceTarget, Symbols, foreseen, prefix_path
from poedsl.runtime.targets.sections import Extender, Sections, SectionTarget, section_path
from poedsl.runtime.targets.target import Anchor, Target, Tilt
from poedsl.runtime.targets.tempering import TemperedTarget, temper_path
from poedsl.runtime.targets.tempering_base import Base, base


def prepare(
    plan: PlanSpec,
    device: torch.device,
    base: Path = Path(),
    allow_code: bool = False,
    profile: Profile = DEFAULT,
    code: Mapping[str, Code] | None = None,
    microbatch: int | None = None,
) -> tuple[Target, FlowPath]:
    """The target and the path of a plan whose inputs are all bound.

    Args:
        base: the folder that files and ``use`` statements are relative to.
        allow_code: whether Python that the program names may run.
        profile: which weights experts have, and how their networks run.
        code: the Python that the program was compiled with, by name.
        microbatch: particles that experts see at once while rules are made.

    Raises:
        PoeError: an expert or option is one that this release cannot run, a library is missing, a
            value does not fit, or the product has no density on the way.
    """
    models = Models(plan, device, base, allow_code, profile, code or {})
    runnable(models)
    values = Values.of(plan, models, device)
    sites = [s for f in plan.factors for s in values.sites(f)]
    env = values.environment
    sizes = shapes(plan, sites, env, models.native, lambda f: models.length(f, env))
    if _path(plan) == "prefix" and any(f.kind == "tokens" for f in plan.factors):
        return _Builder(plan, models, values, Symbols.of(sizes, device)).sequences(
            sites, microbatch
        )
    if _path(plan) == "prefix":
        return _Builder(plan, models, values, Sections.of(sizes, device)).sections(sites)
    space = Space.of(sizes, device, codecs(sites, sizes, models))
    return _Builder(plan, models, values, space).build(sites)


@dataclass(slots=True)
class _Builder:
    plan: PlanSpec
    models: Models
    values: Values
    space: Space

    @property
    def environment(self) -> Environment:
        return self.values.environment

    @property
    def device(self) -> torch.device:
        return self.environment.device

    def build(self, sites: list[FactorSpec]) -> tuple[Target, FlowPath]:
        options = Options.of(self.plan)
        seats = [self.seat(f) for f in sites if f.kind in GENERATIVE]
        warnings = tuple(w for s in seats for w in _constant_masks(s))
        if not self.tempered:
            covered(seats, self.space)
        if self.plan.option("normalize_exponents") == Const(True):
            seats = normalised(seats, covered(seats, self.space))
        self.without_density(seats)
        drawn: dict[str, Drawn] = {}
        if self.tempered:
            found = charts(self.plan, sites, self.space, self.environment)
            drawn = ancestral(sites, self.space, self.densities, self.weight)
            placed = centred(found, list(drawn.values()), self.space)
            self.space = replace(self.space, charts=placed)
        gaussians = {s.factor.name: self.gaussians(s) for s in seats if s.factor.kind == "gaussian"}
        self.space = self.standard(seats, gaussians, drawn)
        guides = self.guides(seats)
        anchors = tuple(
            self.anchor(s, gaussians.get(s.factor.name), guides.get(s.factor.name)) for s in seats
        )
        free_encoders()
        tilts = self.tilts(sites)
        path = self.path(seats, anchors, options)
        self.densities_on_the_way(sites, anchors, path)
        kind = TemperedTarget if self.tempered else Target
        target = kind(
            self.space, anchors, tilts, self.environment, path.exponents, warnings=warnings
        )
        if isinstance(target, TemperedTarget):
            target.base = self.base(sites, options, target)
        return target, path

    def base(
        self, sites: list[FactorSpec], options: Options, target: TemperedTarget
    ) -> Base | Prior | None:
        """What a tempered path starts from: what the program says, what it draws its variables
        from where that serves better than a Gaussian, or None, for N(0, I).
        """
        plan, space, env = self.plan, self.space, self.environment
        if options.base is not None:
            return base(options.base, plan, self.models, env, space)
        own = prior(plan, sites, space, env, self.densities, self.exponent)
        serves = own is not None and (own.funnel or own.near(target.log_untempered))
        target.calls.clear()
        return own if serves else None

    def sequences(
        self, sites: list[FactorSpec], microbatch: int | None
    ) -> tuple[SequenceTarget, FlowPath]:
        """The target and the path of variables that are sequences of symbols."""
        assert isinstance(self.space, Symbols)
        readers = Readers(self.plan, self.models, self.values, self.space)
        experts = readers.of([f for f in sites if f.kind in GENERATIVE])
        self.environment.words.update(readers.words)
        tilts = tuple(replace(t, guiding=False) for t in self.tilts(sites))
        steps = min(Options.of(self.plan).steps, self.space.size)
        path = prefix_path(steps, self.space.size, self.device)
        target = SequenceTarget(
            self.space, (), tilts, self.environment, path.exponents, microbatch, readers=experts
        )
        target.rules, target.warnings = text_rules(
            sites, self.space, self.environment, cache(lambda: foreseen(target))
        )
        return target, path

    def sections(self, sites: list[FactorSpec]) -> tuple[SectionTarget, FlowPath]:
        """The target and the path of a variable that grows along its first size.

        Gaussians count as rewards; conditions only at the end.
        """
        grown = [f for f in sites if f.kind == "flow"]
        others = [replace(f, kind="density") if f.kind == "gaussian" else f for f in sites]
        tilts = self.tilts([f for f in others if f.kind != "flow"])
        tilts = tuple(replace(t, guiding=t.guiding and t.kind != "where") for t in tilts)
        extenders = tuple(map(self.extender, grown))
        (shape,) = self.space.shapes.values()
        path = section_path(min(Options.of(self.plan).steps, shape[0]), shape[0], self.device)
        target = SectionTarget(
            self.space, (), tilts, self.environment, path.exponents, extenders=extenders
        )
        return target, path

    def extender(self, factor: FactorSpec) -> Extender:
        """An expert of sections.

        Raises:
            PoeError: it needs a density that it has not.
        """
        seat = self.seat(factor)
        assert isinstance(factor.term, Apply) and isinstance(seat.exponent, float)
        self.over(factor, factor.term, seat.part.seen)
        expert = self.models.model(factor.term, self.environment, factor, seat.part.shape)
        return Extender(factor.name, factor.place, expert, seat.exponent)

    def tilts(self, sites: list[FactorSpec]) -> tuple[Tilt, ...]:
        """What is no expert that generates, each tried once."""
        factors = [f for f in sites if f.kind not in GENERATIVE]
        tilts = tuple(map(self.tilt, factors))
        for tilt, factor in zip(tilts, factors, strict=True):
            self.attempt(tilt, factor)
        return tilts

    @property
    def tempered(self) -> bool:
        return _path(self.plan) == "temper"

    def path(self, seats: Sequence[Seat], anchors: Sequence[Anchor], options: Options) -> FlowPath:
        if self.tempered:
            return temper_path(options.steps, self.device)
        total = exponents(seats, self.space.size, self.device)
        alike = float(total.min()) == float(total.max())
        schedule = self.schedule(seats, anchors, options.steps)
        return FlowPath.build(options.steps, total[:1] if alike else total, options.eta, schedule)

    def schedule(
        self, seats: Sequence[Seat], anchors: Sequence[Anchor], steps: int
    ) -> Schedule | None:
        """The schedule of the first model that has one, for the whole of its variable, or that of
        Gaussians where there are no others.
        """
        for seat, anchor in zip(seats, anchors, strict=True):
            if isinstance(anchor.expert, Scheduled):
                snaps = any(isinstance(a.expert, Scheduled) and a.expert.snaps for a in anchors)
                shape = self.space.shapes[seat.factor.variables[0]]
                return at_times(anchor.expert.times(steps, shape, snaps=snaps))
        return balanced(anchors, self.space.size, steps)

    # Exponents and coordinates.

    def seat(self, factor: FactorSpec) -> Seat:
        """A generative factor on its components."""
        part = locate(factor, self.space, self.environment)
        fits(self.plan, factor, part.seen, self.environment)
        known = self.values.known(factor.exponent, "the exponent", factor)
        value = tensor(known, self.device).float()
        if not bool(torch.isfinite(value).all()):
            raise refused("P0307", "the exponent is not finite", factor=factor)
        if not factor.mask:
            return Seat(factor, part, float(value))
        own = value[0]
        if own.dim() == 3 and len(part.shape) == 4:
            own = own[:, None]
        try:
            own = own.expand(part.seen)
            if part.seen != part.shape:
                _, h, w = part.shape
                own = adaptive_avg_pool2d(own[:1], (h, w)).expand(part.shape)
            return Seat(factor, part, own.flatten())
        except RuntimeError:
            raise refused(
                "P0603",
                f"the exponent has the shape {list(own.shape)}, which does not broadcast to what "
                f"the expert sees, {list(part.seen)}",
                factor=factor,
            ) from None

    def without_density(self, seats: Sequence[Seat]) -> None:
        """Whether what needs a density is asked of exponents that leave none."""
        mask = next((s for s in seats if isinstance(s.exponent, Tensor)), None)
        for option, forms in {
            "correct": ("ais", "fkc"),
            "kernel": ("mala", "hmc", "random_walk"),
        }.items():
            chosen = self.plan.option(option)
            if mask is not None and isinstance(chosen, Apply) and chosen.function in forms:
                raise refused(
                    "P0503",
                    f"`{option} = {chosen.function}()` needs a density",
                    f"the exponent of {site(mask.factor)} varies over its components",
                )

    def standard(
        self, seats: Sequence[Seat], gaussians: dict[str, Gaussians], drawn: dict[str, Drawn]
    ) -> Space:
        """Where something is learned or constrained, as it is; elsewhere as the Gaussians and the
        draws of other densities are.
        """
        fixed = torch.zeros(self.space.size, dtype=torch.bool, device=self.device)
        for chart in self.space.charts:
            fixed[chart.index] = True
        pictures = {v.name for v in self.plan.variables if v.type.name in ("Image", "Video")}
        known = [d.known() for name, d in drawn.items() if name not in gaussians]
        for seat in seats:
            index = seat.part.index
            if seat.factor.name in gaussians:
                mean, variance = (m.to(self.device) for m in gaussians[seat.factor.name].moments())
                weight = torch.as_tensor(seat.exponent, dtype=mean.dtype, device=self.device).abs()
                known.append(Known(index, weight.expand(len(mean)), mean, variance))
                continue
            fixed[index] = True
            name = seat.factor.variables[0]
            if name in pictures and name not in self.space.codecs:
                self.space.loc[index], self.space.scale[index] = PICTURE_CENTRE, PICTURE_SCALE
        return self.space.standardised(known, fixed)

    def exponent(self, factor: FactorSpec) -> float:
        return float(self.values.known(factor.exponent, "the exponent", factor))

    def weight(self, factor: FactorSpec) -> float:
        """The size of an exponent."""
        return abs(self.exponent(factor))

    # Factors.

    def densities(self, factor: FactorSpec) -> Densities:
        return Densities(factor, self.environment, self.models, frozenset(self.space.shapes))

    def gaussians(self, seat: Seat) -> Gaussians:
        return self.densities(seat.factor).gaussians(seat.factor.term, seat.part.shape)

    def guides(self, seats: Sequence[Seat]) -> dict[str, Guide]:
        """What draws experts to their parents; a weight of zero draws nothing."""
        condition = self.plan.option("condition")
        given = dict(condition.kwargs) if isinstance(condition, Apply) else {}
        match given.get("weight"), given.get("updates"):
            case Const(float() | int() as weight), Const(int(updates)) if weight:
                return guides(seats, self.space, float(weight), updates)
            case _:
                return {}

    def anchor(self, seat: Seat, own: Gaussians | None, guide: Guide | None) -> Anchor:
        factor, index = seat.factor, seat.part.index
        if own is not None:
            expert = own.to(self.device).within(self.space.loc[index], self.space.scale[index])
        else:
            assert isinstance(factor.term, Apply)
            self.over(factor, factor.term, seat.part.seen)
            expert = self.models.model(factor.term, self.environment, factor, seat.part.shape)
        return Anchor(factor.name, factor.place, expert, seat.exponent, index, guide)

    def over(self, factor: FactorSpec, call: Apply, shape: tuple[int, ...]) -> None:
        """Whether a part, whose sizes only the inputs say, is what a model is over."""
        domain = self.plan.signature(call.function).domain
        sizes = () if domain is None else domain.sizes
        if len(sizes) == len(shape) and any(
            s not in (None, n) for s, n in zip(sizes, shape, strict=True)
        ):
            own = " x ".join(map(str, shape))
            message = f"`{call.function}` is over {domain}, and what it sees here is {own}"
            raise refused("P0304", message, factor=factor)

    def tilt(self, factor: FactorSpec) -> Tilt:
        if factor.mask:
            message = "a mask as exponent goes with an expert that generates, and this is none"
            raise refused("P0409", message, factor=factor)
        exponent = float(self.values.known(factor.exponent, "the exponent", factor))
        density = places = None
        if factor.kind == "density":
            subject = factor.part or Ref(factor.variables[0])
            shape = locate(factor, self.space, self.environment).seen
            log_density = self.densities(factor).density(factor.term, shape)

            def density(env: Environment) -> Tensor:
                return log_density(evaluate(subject, env), env)

            places = self.places(factor, subject, shape)

        for call in self.judges(factor):
            judge = self.models.model(call, self.environment, factor)
            self.environment.rewards[call] = judge
        return Tilt(
            factor.name,
            factor.place,
            factor.kind,
            exponent,
            factor.term,
            self.guiding(factor),
            density,
            places,
        )

    def places(
        self, factor: FactorSpec, subject: Term, shape: tuple[int, ...]
    ) -> Callable[[Environment], dict[str, Tensor]] | None:
        """The sites of a density that is a model by itself."""
        call = factor.term
        if not isinstance(call, Apply) or call.function == "mixture":
            return None
        if not self.plan.signature(call.function).is_code:
            return None
        model = self.models.model(call, self.environment, factor, shape)
        if not isinstance(model, Sited):
            return None
        return lambda env: model.sites(evaluate(subject, env))

    def judges(self, factor: FactorSpec) -> list[Apply]:
        """The calls of rewards in a factor."""
        calls = [t for t in walk(factor.term) if isinstance(t, Apply)]
        return [c for c in calls if self.family(c) == "reward"]

    def family(self, call: Apply) -> str:
        signature: Signature | None = self.plan.known(call.function)
        return "" if signature is None else signature.family

    def guiding(self, factor: FactorSpec) -> bool:
        """Whether kernels may follow it: expressions, judges with a gradient, inequalities."""
        if factor.kind == "density":
            return True
        if not names(factor.term) & self.space.shapes.keys():
            return False
        if factor.kind == "where":
            return _inequalities(factor.term)
        return all("gradient" in self.plan.capabilities(c) for c in self.judges(factor))

    def attempt(self, tilt: Tilt, factor: FactorSpec) -> None:
        """Evaluate a tilt once, judges left out, so that what does not fit is told by its place."""
        env = self.environment
        silent = {
            call: lambda x: torch.zeros(len(x), dtype=torch.float32, device=x.device)
            for call in env.rewards
        }
        at = replace(env, rewards=silent)
        origin = torch.zeros(1, self.space.size, dtype=torch.float32, device=self.device)
        try:
            tilt.log_value(at.with_values(self.space.values(origin)))
        except (ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            message = f"this has no value for these inputs: {reason}"
            raise refused("P0603", message, factor=factor) from error

    def densities_on_the_way(
        self, sites: list[FactorSpec], anchors: tuple[Anchor, ...], path: FlowPath
    ) -> None:
        """Whether the product of each variable's Gaussians is a density at every stage."""
        stages = (DATA,) if self.tempered else path.stages
        of = {f.name: f.variables[0] for f in sites}
        for variable in self.space.shapes:
            own = [a for a in anchors if of[a.name] == variable]
            tilted = any(f.kind not in GENERATIVE and variable in f.variables for f in sites)
            if not (tilted and self.tempered):
                on_the_way(own, stages, self.space, variable, tilted=tilted)


def _path(plan: PlanSpec) -> str:
    path = plan.option("path")
    return path.function if isinstance(path, Apply) else ""


def _constant_masks(seat: Seat) -> list[str]:
    """What is odd about a mask that is the same everywhere."""
    if not isinstance(seat.exponent, Tensor):
        return []
    for value, told in ((0.0, "all zero: it has no effect"), (1.0, "all one: it masks nothing")):
        if bool((seat.exponent == value).all()):
            return [f"the exponent of {site(seat.factor)} is a mask that is {told}"]
    return []


def _inequalities(term: object) -> bool:
    match term:
        case Apply("and", args):
            return all(map(_inequalities, args))
        case Apply(function):
            return function in ("<", "<=", ">", ">=")
        case _:
            return False
