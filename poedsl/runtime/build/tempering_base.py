"""What a tempered path starts from, where a program says so: `temper(base = Normal(0, 5))`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.catalog.registry import SIGNATURES
from poedsl.catalog.signatures import EVENTS
from poedsl.compiler.analysis.supports import ends
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.plan_parts import FactorSpec
from poedsl.compiler.plan.terms import Apply, Term, walk
from poedsl.experts.densities.pyro_densities import broadcast, distribution
from poedsl.runtime.build.densities import Densities, Density
from poedsl.runtime.build.models import Models
from poedsl.runtime.core.random_numbers import Noise
from poedsl.runtime.space.bijections import Bijection, EventBijection, IntervalBijection
from poedsl.runtime.space.coordinates import Space
from poedsl.runtime.targets.tempering import FixedBase
from poedsl.runtime.terms.evaluate import Environment, evaluate
from poedsl.runtime.terms.refusals import refused

#: Points (L, *shape) from uniforms in (0, 1) for each component, and one that picks of a mixture.
Quantiles = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class VariableBase:
    """A density over one variable, in its own units."""

    density: Density
    quantiles: Quantiles
    environment: Environment

    def draw(
        self, uniform: Float[Tensor, "L *shape"], pick: Float[Tensor, " L"]
    ) -> Float[Tensor, "L *shape"]:
        return self.quantiles(uniform, pick)

    def log_density(self, x: Float[Tensor, "L *shape"]) -> Float[Tensor, " L"]:
        return self.density(x, self.environment)


@dataclass(frozen=True, slots=True)
class Base(FixedBase):
    """A density over every variable, by itself, in the variables' own units."""

    space: Space
    marginals: dict[str, VariableBase]

    def marginal(self, variable: str) -> VariableBase:
        """The density of a variable."""
        return self.marginals[variable]

    def first(self, noise: Noise, t: int) -> Float[Tensor, "L D"]:
        """Draws in the run's coordinates, from uniforms for each component and each variable."""
        uniform = noise.uniform(self.space.size + len(self.space.shapes), t, "start")
        space, picks = self.space, uniform[:, self.space.size :]
        x = uniform.new_zeros(len(uniform), space.size)
        for (name, shape), pick in zip(space.shapes.items(), picks.unbind(1), strict=True):
            part = space.slice(name)
            levels = uniform[:, part].double().reshape(-1, *shape)
            drawn = self.marginals[name].draw(levels, pick.double())
            x[:, part] = drawn.to(x).reshape(len(x), -1)
        return space.placed(x)

    def log_density(self, z: Float[Tensor, "L D"]) -> Float[Tensor, " L"]:
        """Log p_0 in the run's coordinates."""
        y, log_det = self.space.supported(z)
        total = self.space.scale.log().sum() + log_det
        for name, value in self.space.shaped(y).items():
            total = total + self.marginals[name].log_density(value)
        return total


def base(term: Apply, plan: PlanSpec, models: Models, env: Environment, space: Space) -> Base:
    """The base that a program names.

    Raises:
        PoeError: it cannot be drawn from by inversion, does not fit a variable, or its support is
            not the variables'.
    """
    marginals: dict[str, VariableBase] = {}
    for name, shape in space.shapes.items():
        factor = FactorSpec("base", "density", (name,), term, place="temper(base = ...)")
        parts = Densities(factor, env, models, frozenset(space.shapes))
        marginals[name] = VariableBase(
            density(parts, term, shape), inverted(parts, term, shape), env
        )
        alike(factor, plan, env, space, name)
    return Base(space, marginals)


def density(densities: Densities, term: Term, shape: tuple[int, ...]) -> Density:
    """The log density; of Gaussians and their mixtures in one piece."""
    calls = {t.function for t in walk(term) if isinstance(t, Apply)}
    closed = {"Normal", "MultivariateNormal", "mixture"}
    if not calls & SIGNATURES.keys() <= closed:
        return densities.density(term, shape)
    gaussians = densities.gaussians(term, shape).to(densities.environment.device)

    def log_density(x: Float[Tensor, "L *shape"], env: Environment) -> Float[Tensor, " L"]:
        log_value = gaussians.noised(x.reshape(len(x), -1), 1.0, 0.0).log_density
        assert log_value is not None
        return log_value

    return log_density


def inverted(densities: Densities, term: Term, shape: tuple[int, ...]) -> Quantiles:
    """Draws of a density or a mixture, by inverting its distribution function."""
    assert isinstance(term, Apply)
    if term.function == "mixture":
        shares = [densities.number(w) for w in term.args[::2]]
        return mixed(shares, [inverted(densities, p, shape) for p in term.args[1::2]])
    arguments = {k: v.double() for k, v in densities.constants(term, shape).items()}
    if term.function == "MultivariateNormal":
        normal = distribution(term.function, arguments)
        return lambda u, pick: (
            normal.loc + torch.special.ndtri(u) @ normal.scale_tril.transpose(-1, -2)
        )
    single = distribution(term.function, broadcast(term.function, arguments, shape))
    try:
        single.icdf(
            torch.full(shape, 0.5, dtype=torch.float64, device=densities.environment.device)
        )
    except NotImplementedError:
        message = f"`{term.function}` cannot be drawn from by inversion, as a base is"
        raise refused("P0503", message, factor=densities.factor) from None
    return lambda u, pick: single.icdf(u)


def mixed(shares: Sequence[float], parts: Sequence[Quantiles]) -> Quantiles:
    """Draws of a mixture: what picks the part is uniform within it."""

    def quantiles(
        uniform: Float[Tensor, "L *shape"], pick: Float[Tensor, " L"]
    ) -> Float[Tensor, "L *shape"]:
        out, below = torch.zeros_like(uniform), 0.0
        for share, part in zip(shares, parts, strict=True):
            drawn = part(uniform, (pick - below) / share)
            later = (pick >= below).view(-1, *(1,) * (uniform.dim() - 1))
            out, below = torch.where(later, drawn, out), below + share
        return out

    return quantiles


def alike(
    factor: FactorSpec, plan: PlanSpec, env: Environment, space: Space, variable: str
) -> None:
    """Whether a base is positive where a variable can be, and nowhere else."""
    support, part = ends(factor.term, plan.signature), space.slice(variable)
    lows = (float(evaluate(t, env).to(env.dtype).min()) for t in support.low)
    highs = (float(evaluate(t, env).to(env.dtype).max()) for t in support.high)
    begins, stops = min(lows, default=-math.inf), max(highs, default=math.inf)
    low, high = supports(space, space.bijections)
    for a, b in zip(low[part].tolist(), high[part].tolist(), strict=True):
        if support.event or (a, b) != (begins, stops):
            domain = _domain(space, variable) if math.isnan(a) else f"{a:g} to {b:g}"
            reach = EVENTS[support.event] if support.event else f"{begins:g} to {stops:g}"
            raise refused(
                "P0503",
                f"the base is positive from {reach}, and `{variable}` is over {domain}",
                "a path starts from a density with the support of its target",
                factor=factor,
            )


def _domain(space: Space, variable: str) -> str:
    """Of which kind the events of a variable are, in words."""
    part = space.slice(variable)
    kinds = {
        EVENTS[b.event]
        for b in space.bijections
        if isinstance(b, EventBijection) and b.within(part) is not None
    }
    return ", ".join(sorted(kinds))


def supports(
    space: Space, bijections: Sequence[Bijection]
) -> tuple[Float[Tensor, " D"], Float[Tensor, " D"]]:
    """The ends of each component; nan for those of `EventBijection`."""
    low = torch.full((space.size,), -math.inf, dtype=space.loc.dtype, device="cpu")
    high = -low
    for bijection in bijections:
        if isinstance(bijection, IntervalBijection):
            low[bijection.index.cpu()], high[bijection.index.cpu()] = (
                bijection.low.cpu(),
                bijection.high.cpu(),
            )
        else:
            low[bijection.index.cpu()] = high[bijection.index.cpu()] = math.nan
    return low, high
