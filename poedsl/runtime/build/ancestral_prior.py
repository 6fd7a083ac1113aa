"""What a tempered path starts from where variables depend on others: ancestral draws.

Of `theta ~ Normal(mu, tau)` and what `mu` and `tau` are drawn from, p_0 is the product, which is a
density by itself and is drawn from exactly; all other factors grow from nothing along the path, as
the likelihood does when a posterior is annealed from its prior (Neal 2001). Constant Gaussians over
the same components, and Gaussian data about them, are drawn with: q(theta | mu, tau), proportional
to both, is Gaussian, and what is left to grow is the chance of the data given `mu` and `tau` alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from poedsl.compiler.analysis.supports import ends
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.plan_parts import FactorSpec
from poedsl.compiler.plan.terms import Apply, Ref, Term, names, walk
from poedsl.runtime.build.ancestral_draws import scale_free
from poedsl.runtime.build.constrained_supports import end
from poedsl.runtime.build.densities import Densities, Density, parameters
from poedsl.runtime.build.tempering_base import supports
from poedsl.runtime.core.random_numbers import Noise
from poedsl.runtime.smc.resampling_schemes import effective_sample_size
from poedsl.runtime.space.bijections import EventBijection
from poedsl.runtime.space.coordinates import Space
from poedsl.runtime.space.parts import Part, locate
from poedsl.runtime.targets.tempering import FixedBase
from poedsl.runtime.terms.evaluate import Environment, evaluate
from poedsl.runtime.terms.positions import positions

#: Points are drawn so many at a time, whether or not all are wanted: the first ones then do not
#: depend on how many there are.
BLOCK = 256
#: The share of draws, by their weights, from which on the product is near.
NEAR = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """A density by which components are drawn, given those before."""

    densities: Densities
    part: Part
    subject: Term
    density: Density

    def drawn(self, values: Mapping[str, Tensor]) -> Float[Tensor, "256 *shape"] | None:
        """Draws, each given a row of values; None where what they need is not there yet."""
        return self.densities.draws(self.densities.factor.term, self.part.shape, BLOCK, values)

    def log_density(self, env: Environment) -> Float[Tensor, " L"]:
        return self.density(evaluate(self.subject, env), env)


@dataclass(frozen=True, slots=True, eq=False)
class Conjugate(Site):
    """A Gaussian around other variables, and constant ones beside it.

    Attributes:
        precision, pull: of those the sums of 1 / variance, and of mean / variance.
    """

    precision: Float[Tensor, " *shape"]
    pull: Float[Tensor, " *shape"]

    def drawn(self, values: Mapping[str, Tensor]) -> Float[Tensor, "256 *shape"] | None:
        mean, spread = self.mean_and_spread(self.densities.environment.with_values(values), BLOCK)
        finite = mean.isfinite() & spread.isfinite()
        if not bool(finite.any(0).all()):
            return None
        return mean + spread * torch.randn(mean.shape, dtype=torch.float32, device="cpu").to(mean)

    def log_density(self, env: Environment) -> Float[Tensor, " L"]:
        x = evaluate(self.subject, env)
        mean, spread = self.mean_and_spread(env, len(x))
        terms = ((x - mean) / spread).square() + 2 * spread.log() + math.log(2 * math.pi)
        return -0.5 * terms.reshape(len(terms), -1).sum(-1)

    def mean_and_spread(self, env: Environment, count: int) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation, (L, *shape); nan where a scale is not above zero."""
        term = self.densities.factor.term
        assert isinstance(term, Apply)
        arguments = parameters(term, env, (count, *self.part.shape))
        precision = arguments["scale"].where(arguments["scale"] > 0, math.nan) ** -2
        total = precision + self.precision
        return (precision * arguments["loc"] + self.pull) / total, total.rsqrt()


@dataclass(frozen=True, slots=True)
class Prior(FixedBase):
    """Densities that together draw every component once, in an order in which they can be drawn.

    Attributes:
        funnel: whether a variable says how wide another is, so that no Gaussian is near.
    """

    space: Space
    sites: tuple[Site, ...]
    environment: Environment
    funnel: bool

    def first(self, noise: Noise, t: int) -> Float[Tensor, "L D"]:
        """Draws in the run's coordinates; nan where a parameter is out of its range."""
        blocks = -(-noise.size // BLOCK)
        seeds = (noise.shared(t, "start", blocks) * 2**32).long().tolist()
        draws = [torch.cat([self.block(s) for s in row])[: noise.size] for row in seeds]
        return self.space.placed(torch.cat(draws))

    def near(self, log_product: Callable[[Tensor], Tensor]) -> bool:
        """Whether some of its draws are among those of a product, as of a prior and few data."""
        z = self.space.placed(self.block(0))
        gain = log_product(z) - self.log_density(z)
        return float(effective_sample_size(gain.nan_to_num(nan=-math.inf))) > NEAR * BLOCK

    def block(self, seed: int) -> Float[Tensor, "256 D"]:
        """Draws in the variables' own units."""
        x = self.space.loc.new_full((BLOCK, self.space.size), math.nan)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            for site in self.sites:
                self.draw(site, x)
        return x

    def draw(self, site: Site, x: Float[Tensor, "256 D"]) -> bool:
        """Put a site's draws into points; whether what they need is there."""
        shapes = self.space.shapes
        points = site.drawn({n: x[:, self.space.slice(n)].view(-1, *s) for n, s in shapes.items()})
        if points is not None:
            x[:, site.part.index] = points.reshape(BLOCK, -1)
        return points is not None

    def log_density(self, z: Float[Tensor, "L D"]) -> Float[Tensor, " L"]:
        """Log p_0 in the run's coordinates."""
        y, log_det = self.space.supported(z)
        env = self.environment.with_values(self.space.shaped(y))
        total = self.space.scale.log().sum() + log_det
        for site in self.sites:
            total = total + site.log_density(env)
        return total


def prior(
    plan: PlanSpec,
    factors: Sequence[FactorSpec],
    space: Space,
    env: Environment,
    densities: Callable[[FactorSpec], Densities],
    exponent: Callable[[FactorSpec], float],
    heavy_tailed: bool,
) -> Prior | None:
    """The densities that draw every component, those around other variables before others.

    Args:
        heavy_tailed: whether densities serve that are around no others.

    Returns:
        None where there are no densities that serve; where some component has none of its own to
        the power of one, or one that is positive elsewhere than the product may be; where draws
        around others are of every order of magnitude; and of vectors and matrices of a kind, which
        have fewer coordinates than components.
    """
    if any(isinstance(bijection, EventBijection) for bijection in space.bijections):
        return None
    density_factors = [f for f in factors if f.kind in ("gaussian", "density") and not f.mask]
    density_factors = [f for f in density_factors if exponent(f) > 0]
    around = {f.name: bool(names(f.term) & space.shapes.keys()) for f in density_factors}
    chosen: list[tuple[FactorSpec, Part]] = []
    free = torch.ones(space.size, dtype=torch.bool, device=space.loc.device)
    for factor in sorted(density_factors, key=lambda f: not around[f.name]):
        part = locate(factor, space, env)
        if exponent(factor) == 1 and bool(free[part.index].all()):
            free[part.index] = False
            chosen.append((factor, part))
    if bool(free.any()) or not (heavy_tailed or any(around[f.name] for f, _ in chosen)):
        return None
    if not all(_reaches(f, p, plan, space, env) for f, p in chosen):
        return None
    fixed = space.loc.new_zeros(2, space.size)
    for factor in density_factors:
        call = factor.term
        if factor.kind == "gaussian" and isinstance(call, Apply) and call.function == "Normal":
            part = locate(factor, space, env)
            arguments = densities(factor).constants(call, part.shape)
            precision = (exponent(factor) * arguments["scale"] ** -2).expand(part.shape).flatten()
            pull = precision * arguments["loc"].expand(part.shape).flatten()
            fixed[:, part.index] += torch.stack([precision, pull])
    for factor in factors:
        if (seen := _seen(factor, space, env)) is not None:
            index, precision, pull = seen
            fixed.index_add_(1, index, exponent(factor) * torch.stack([precision, pull]))
    sites = (_site(f, p, densities(f), fixed[:, p.index], around[f.name]) for f, p in chosen)
    wide = any(_widened(f, plan, space) for f, _ in chosen)
    ordered = _ordered(Prior(space, tuple(sites), env, wide))
    if ordered is None:
        return None
    draws = ordered.block(0)
    vague = (scale_free(draws[:, p.index]).any() for f, p in chosen if around[f.name])
    return None if any(vague) else ordered


def _seen(
    factor: FactorSpec, space: Space, env: Environment
) -> tuple[Int[Tensor, " d"], Float[Tensor, " d"], Float[Tensor, " d"]] | None:
    """What data that are Gaussian about components, with known scales, say of these: which they
    are, one for each datum or several, 1 / variance, and datum / variance. None for other factors.
    """
    call = factor.term
    if factor.observed is None or not isinstance(call, Apply) or call.function != "Normal":
        return None
    arguments = dict(call.kwargs)
    about, scale = arguments["loc"], arguments["scale"]
    subject = about.args[0] if isinstance(about, Apply) and about.function == "index" else about
    if not isinstance(subject, Ref) or subject.name in space.codecs:
        return None
    if names(about) & space.shapes.keys() != {subject.name}:
        return None
    if names(scale) & space.shapes.keys() or float(evaluate(scale, env).min()) <= 0:
        return None
    start, shape = space.slice(subject.name).start, space.shapes[subject.name]
    index = start + positions(about, subject.name, shape, env)
    data = evaluate(factor.observed, env)[0].to(space.loc)
    precision = evaluate(scale, env)[0].to(space.loc) ** -2
    total = precision.expand(data.shape).sum_to_size(index.shape)
    pull = (precision * data).sum_to_size(index.shape)
    return index.flatten(), total.flatten(), pull.flatten()


def _site(
    factor: FactorSpec, part: Part, densities: Densities, fixed: Float[Tensor, "2 d"], around: bool
) -> Site:
    """With constant Gaussians over the same components, where a Gaussian stands around others."""
    call, subject = factor.term, factor.part or Ref(factor.variables[0])
    site = (densities, part, subject, densities.density(call, part.shape))
    normal = isinstance(call, Apply) and call.function == "Normal"
    if not (normal and around and bool((fixed[0] > 0).any())):
        return Site(*site)
    return Conjugate(*site, *fixed.view(2, *part.shape))


def _widened(factor: FactorSpec, plan: PlanSpec, space: Space) -> bool:
    """Whether a variable says how wide or of what shape a density is."""
    for call in walk(factor.term):
        if not isinstance(call, Apply):
            continue
        for name, value in call.kwargs:
            parameter = plan.signature(call.function).parameter(name)
            if (
                parameter is not None
                and parameter.role != "location"
                and names(value) & space.shapes.keys()
            ):
                return True
    return False


def _reaches(
    factor: FactorSpec, part: Part, plan: PlanSpec, space: Space, env: Environment
) -> bool:
    """Whether a density is positive where its components can be, and nowhere else."""
    support = ends(factor.term, plan.signature)
    device = space.loc.device
    low, high = (v.to(device)[part.index] for v in supports(space, space.bijections))
    begins = end(support.low, -math.inf, torch.minimum, space, env).expand(part.shape).flatten()
    stops = end(support.high, math.inf, torch.maximum, space, env).expand(part.shape).flatten()
    return torch.equal(begins, low) and torch.equal(stops, high)


def _ordered(unordered: Prior) -> Prior | None:
    """With each density after what it depends on; None where there is no such order."""
    waiting, out = list(unordered.sites), list[Site]()
    x = unordered.space.loc.new_full((BLOCK, unordered.space.size), math.nan)
    with torch.random.fork_rng(devices=[]):
        while waiting:
            later = [s for s in waiting if not unordered.draw(s, x)]
            if len(later) == len(waiting):
                return None
            out += [s for s in waiting if s not in later]
            waiting = later
    return replace(unordered, sites=tuple(out))
