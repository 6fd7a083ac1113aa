"""The factors of a plan as the runtime holds them: experts and rewards on their components."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from poedsl.catalog.signatures import Signature
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.plan_parts import GENERATIVE, FactorSpec
from poedsl.compiler.plan.terms import Apply, Ref, Term, names, walk
from poedsl.experts.densities.gaussian_mixtures import Gaussians
from poedsl.experts.protocol import Sited
from poedsl.runtime.build.densities import Densities
from poedsl.runtime.build.exponents import normalisers, scaled, several_sums, spread
from poedsl.runtime.build.likelihoods import likelihood
from poedsl.runtime.build.models import Models
from poedsl.runtime.build.reward_requirements import inequalities, try_out, weighing_only
from poedsl.runtime.build.values import Values
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.core.sampler_options import SamplerOptions
from poedsl.runtime.core.warnings import WarningLog, of_factors
from poedsl.runtime.inputs.remarks import warn_of_mask
from poedsl.runtime.space.coordinates import PICTURE_CENTRE, PICTURE_SCALE, GaussianMoments, Space
from poedsl.runtime.space.parts import Exponent, PlacedFactor, locate
from poedsl.runtime.space.sizes import fits
from poedsl.runtime.targets.constraint_and_reward_potentials import RewardFactor
from poedsl.runtime.targets.expert_factor import ExpertFactor
from poedsl.runtime.targets.parent_guidance import ParentGuidance
from poedsl.runtime.terms.evaluate import Environment, evaluate, tensor
from poedsl.runtime.terms.refusals import factor_at, refused

#: From so many data on particles are evaluated in batches, of at most so many pairs of both, whose
#: numbers caches hold.
MANY_ROWS = 1000
MOST_AT_ONCE = 2**20


@dataclass(frozen=True, slots=True)
class ProductBuilder:
    """Builds the factors of one plan in the coordinates of one space.

    Attributes:
        normalisers: what the exponents of factors are divided by, by name.
    """

    plan: PlanSpec
    settings: RunSettings
    models: Models
    values: Values
    space: Space
    warnings: WarningLog
    normalisers: Mapping[str, Exponent] = field(default_factory=dict)

    @property
    def environment(self) -> Environment:
        return self.values.environment

    @property
    def device(self) -> torch.device:
        return self.environment.device

    @property
    def options(self) -> SamplerOptions:
        return SamplerOptions.of(self.plan)

    def in_space(self, space: Space) -> ProductBuilder:
        return replace(self, space=space)

    def normalised(self, factors: Sequence[FactorSpec]) -> ProductBuilder:
        """With exponents that sum to one at each component, over all factors that are densities of
        it or models.

        Raises:
            PoeError: they do not sum to more than zero, or a component has no such factor.
        """
        over = [f for f in factors if f.kind in GENERATIVE or f.kind == "density"]
        return replace(self, normalisers=normalisers([self.place(f) for f in over], self.space))

    # Generative factors.

    def placed(self, factors: Sequence[FactorSpec]) -> list[PlacedFactor]:
        """The generative factors, each on its components."""
        placed = [self.place(f) for f in factors if f.kind in GENERATIVE]
        for site in placed:
            if isinstance(site.exponent, Tensor):
                factor = site.factor
                subject = f"the exponent of {factor_at(factor)}"
                data = of_factors([(factor.name, factor.place)])
                warn_of_mask(self.warnings, subject, site.exponent, **data)
        return [self.scaled(p) for p in placed]

    def scaled(self, placed: PlacedFactor) -> PlacedFactor:
        return scaled(placed, self.normalisers.get(placed.factor.name, 1.0))

    def place(self, factor: FactorSpec) -> PlacedFactor:
        """A factor on its components.

        Raises:
            PoeError: its exponent is not finite, or does not broadcast to what the expert sees.
        """
        part = locate(factor, self.space, self.environment)
        fits(self.plan, factor, part.decoded_shape, self.environment)
        value = self.values.value_of(factor.exponent, "the exponent", factor)
        kind = self.environment.dtype
        exponent = tensor(value, self.device, kind).to(kind)
        if not bool(torch.isfinite(exponent).all()):
            raise refused("P0307", "the exponent is not finite", factor=factor)
        if not factor.mask:
            return PlacedFactor(factor, part, float(exponent))
        return PlacedFactor(factor, part, spread(exponent[0], part, factor, self.space))

    def expert_factors(
        self,
        placed: Sequence[PlacedFactor],
        gaussians: Mapping[str, Gaussians],
        guidance: Mapping[str, ParentGuidance],
    ) -> tuple[ExpertFactor, ...]:
        return tuple(
            self.expert_factor(p, gaussians.get(p.factor.name), guidance.get(p.factor.name))
            for p in placed
        )

    def expert_factor(
        self, placed: PlacedFactor, gaussians: Gaussians | None, guidance: ParentGuidance | None
    ) -> ExpertFactor:
        factor, index = placed.factor, placed.part.index
        if gaussians is not None:
            loc, scale = self.space.loc[index], self.space.scale[index]
            expert = gaussians.to(self.device).within(loc, scale)
        else:
            assert isinstance(factor.term, Apply)
            self.check_domain(factor, factor.term, placed.part.decoded_shape)
            expert = self.models.model(factor.term, self.environment, factor, placed.part.shape)
        return ExpertFactor(factor.name, factor.place, expert, placed.exponent, index, guidance)

    def check_domain(self, factor: FactorSpec, call: Apply, shape: tuple[int, ...]) -> None:
        """Whether a part, whose sizes only the inputs say, is what a model is over.

        Raises:
            PoeError: it is not.
        """
        domain = self.plan.signature(call.function).domain
        sizes = () if domain is None else domain.sizes
        if len(sizes) == len(shape) and any(
            s not in (None, n) for s, n in zip(sizes, shape, strict=True)
        ):
            shown = " x ".join(map(str, shape))
            message = f"`{call.function}` is over {domain}, and what it sees here is {shown}"
            raise refused("P0304", message, factor=factor)

    # Gaussians and coordinates.

    def densities(self, factor: FactorSpec) -> Densities:
        return Densities(factor, self.environment, self.models, frozenset(self.space.shapes))

    def gaussians(self, placed: Sequence[PlacedFactor]) -> dict[str, Gaussians]:
        """The factors that are Gaussians or mixtures of Gaussians, by name."""
        return {
            p.factor.name: self.densities(p.factor).gaussians(p.factor.term, p.part.shape)
            for p in placed
            if p.factor.kind == "gaussian"
        }

    def standardised(
        self,
        placed: Sequence[PlacedFactor],
        gaussians: Mapping[str, Gaussians],
        others: Sequence[GaussianMoments] = (),
    ) -> Space:
        """The space with every component centred and scaled: where something is learned or
        constrained, as it is; elsewhere by the Gaussians and what else is known.
        """
        space = self.space
        fixed = torch.zeros(space.size, dtype=torch.bool, device=self.device)
        for bijection in space.bijections:
            fixed[bijection.index] = True
        pictures = {v.name for v in self.plan.variables if v.type.name in ("Image", "Video")}
        moments = list(others)
        for p in placed:
            index = p.part.index
            if p.factor.name in gaussians:
                pair = gaussians[p.factor.name].moments()
                mean, variance = (m.to(self.device) for m in pair)
                weight = torch.as_tensor(p.exponent, dtype=mean.dtype, device=self.device).abs()
                moments.append(GaussianMoments(index, weight.expand(len(mean)), mean, variance))
                continue
            fixed[index] = True
            name = p.factor.variables[0]
            if name in pictures and name not in space.codecs:
                space.loc[index], space.scale[index] = PICTURE_CENTRE, PICTURE_SCALE
        return space.standardised(moments, fixed)

    def particles_at_once(self, rewards: Sequence[RewardFactor]) -> int | None:
        """The size of micro-batches, as set or as data of many rows have it; None for all."""
        if self.settings.particles_at_once is not None:
            return self.settings.particles_at_once
        rows = max((reward.rows for reward in rewards), default=1)
        return max(MOST_AT_ONCE // rows, 1) if rows > MANY_ROWS else None

    def exponent(self, factor: FactorSpec) -> float:
        """The exponent of a factor that has one for all components."""
        exponent = float(self.values.value_of(factor.exponent, "the exponent", factor))
        divisor = self.normalisers.get(factor.name, 1.0)
        if isinstance(divisor, Tensor):
            raise several_sums(divisor, factor)
        return exponent / divisor

    # Rewards and constraints.

    def reward_factors(self, factors: Sequence[FactorSpec]) -> tuple[RewardFactor, ...]:
        """Rewards, constraints and densities that count as rewards, each evaluated once."""
        specs = [f for f in factors if f.kind not in GENERATIVE]
        rewards = tuple(map(self.reward_factor, specs))
        for reward, factor in zip(rewards, specs, strict=True):
            try_out(reward, factor, self.plan, self.origin())
        if self.options.potential != "difference":
            rewards = tuple(map(weighing_only, rewards))
        return rewards

    def reward_factor(self, factor: FactorSpec) -> RewardFactor:
        """One reward, its networks loaded.

        Raises:
            PoeError: it has a mask as exponent.
        """
        if factor.mask:
            message = "a mask as exponent goes with an expert that generates, and this is none"
            raise refused("P0409", message, factor=factor)
        density, latent_sites, rows = None, None, 1
        if factor.kind == "density":
            subject = factor.part or Ref(factor.variables[0])
            shape = locate(factor, self.space, self.environment).decoded_shape
            log_density = self.densities(factor).density(factor.term, shape)

            def density(env: Environment) -> Tensor:
                return log_density(evaluate(subject, env), env)

            latent_sites = self.sites_of_model(factor, subject, shape)
        if factor.kind == "likelihood":
            origin = self.origin()
            density_of_data = likelihood(factor, self.densities(factor), origin).shortened(origin)
            density, rows = density_of_data.log_value, density_of_data.rows
        for call in self.reward_calls(factor):
            network = self.models.model(call, self.environment, factor)
            self.environment.rewards[call] = network
        return RewardFactor(
            factor.name,
            factor.place,
            factor.kind,
            self.exponent(factor),
            factor.term,
            self.differentiable(factor),
            density,
            latent_sites,
            rows,
        )

    def sites_of_model(
        self, factor: FactorSpec, subject: Term, shape: tuple[int, ...]
    ) -> Callable[[Environment], dict[str, Tensor]] | None:
        """The values of the sites of a density that is a model by itself."""
        call = factor.term
        if not isinstance(call, Apply) or call.function == "mixture":
            return None
        if not self.plan.signature(call.function).is_code:
            return None
        model = self.models.model(call, self.environment, factor, shape)
        if not isinstance(model, Sited):
            return None
        return lambda env: model.sites(evaluate(subject, env))

    def reward_calls(self, factor: FactorSpec) -> list[Apply]:
        """The calls of rewards in a factor."""
        calls = [t for t in walk(factor.term) if isinstance(t, Apply)]
        return [c for c in calls if self.family(c) == "reward"]

    def family(self, call: Apply) -> str:
        signature: Signature | None = self.plan.find_signature(call.function)
        return "" if signature is None else signature.family

    def differentiable(self, factor: FactorSpec) -> bool:
        """Whether kernels may follow it: expressions, rewards with a gradient, inequalities."""
        if factor.kind in ("density", "likelihood"):
            return True
        if not names(factor.term) & self.space.shapes.keys():
            return False
        if factor.kind == "where":
            return inequalities(factor.term)
        return all("gradient" in self.plan.capabilities(c) for c in self.reward_calls(factor))

    def origin(self) -> Environment:
        """What names stand for at the origin of the run's coordinates."""
        env = self.environment
        origin = torch.zeros(1, self.space.size, dtype=env.dtype, device=self.device)
        return env.with_values(self.space.values(origin))
