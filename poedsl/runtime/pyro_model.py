"""A plan as a model of Pyro's: a site for each variable, and a `pyro.factor` for each factor."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyro
import torch
from jaxtyping import Float
from pyro.distributions import TorchDistribution
from torch import Size, Tensor
from torch.distributions import biject_to, constraints, transform_to
from torch.distributions.transforms import Transform

from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.plan_parts import FactorSpec
from poedsl.compiler.plan.terms import Apply
from poedsl.runtime.build.prepare import prepare_tempering
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.space.coordinates import Space
from poedsl.runtime.targets.tempering import Marginal, TemperedTarget, log_base
from poedsl.runtime.terms.refusals import refused

LOG_2_PI = math.log(2 * math.pi)


def pyro_model(plan: PlanSpec, settings: RunSettings) -> PyroModel:
    """The product of a plan whose inputs are all bound.

    Raises:
        PoeError: a factor has no density, or as `prepare`.
    """
    for factor in plan.factors:
        if reason := _without_density(factor, plan):
            message = f"a model of Pyro's needs densities: {reason}"
            raise refused("P0503", message, factor=factor)
    path = plan.option("path")
    if not isinstance(path, Apply) or path.function != "temper":
        plan = plan.with_options({"path": Apply("temper")})
    if settings.dtype == "auto":  # Pyro's own sites are in torch's default type
        settings = replace(settings, dtype="float32")
    target = prepare_tempering(plan, settings).target
    space = target.space
    starts = {
        name: StartDistribution(Coordinates(space, name), target.marginal(name))
        for name in space.shapes
    }
    return PyroModel(target, starts)


def _without_density(factor: FactorSpec, plan: PlanSpec) -> str:
    """What keeps a factor from having one over numbers; empty where nothing does."""
    if factor.kind == "tokens":
        return "this is one over symbols"
    if factor.mask:
        return "a mask as exponent leaves none"
    if factor.given:
        return "what is given parents has none"
    if factor.kind != "flow":
        return ""
    assert isinstance(factor.term, Apply)
    scored = "noised" not in plan.capabilities(factor.term)
    return f"`{factor.term.function}` has scores alone" if scored else ""


@dataclass(frozen=True)
class PyroModel:
    """A model to hand to Pyro's handlers and inference. Its sites:

    - each variable ``x``, in its own units and shape. It is drawn from the base that tempering
      starts from, whose support is the variable's;
    - ``x.base``, minus the log density of that draw: the base proposes, and does not count;
    - each factor under its name, with ``.factor`` after it where a variable has that name: its log
      value, its exponent counted; -inf where a condition does not hold.

    The log density of a trace is that of the product. Under plates, or where data has rows,
    variables have rows in front, and so do the factors.
    """

    target: TemperedTarget
    starts: Mapping[str, StartDistribution]

    def __call__(self) -> dict[str, Tensor]:
        """Sample every variable, count every factor."""
        values: dict[str, Tensor] = {}
        for name, start in self.starts.items():
            values[name] = pyro.sample(name, start)
            drawn = start.log_prob(values[name])
            pyro.factor(f"{name}.base", torch.where(drawn == -math.inf, 0.0, -drawn))
        for name, log_value in self.log_factors(values):
            pyro.factor(f"{name}.factor" if name in self.starts else name, log_value)
        return values

    def log_factors(self, values: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
        """Each factor's name and log value, a number for each row of the variables."""
        space = self.target.space
        dims = {n: values[n].dim() - len(s) for n, s in space.shapes.items()}
        leading = (values[n].shape[:k] for n, k in dims.items())
        batch = torch.broadcast_shapes(*leading)  # type: ignore[no-untyped-call]
        rows = {n: values[n].expand((*batch, *s)).reshape(-1, *s) for n, s in space.shapes.items()}
        whole = torch.cat([x.reshape(len(x), -1) for x in rows.values()], 1)
        y = (whole - space.loc) / space.scale
        for factor in self.target.experts:
            log_density = factor.expert.noised(y[:, factor.part], 1.0, 0.0).log_density
            assert log_density is not None
            log_value = log_density - space.scale[factor.part].log().sum()
            yield factor.name, (factor.exponent * log_value).reshape(batch)
        env = self.target.environment.with_values(rows)
        plain = env.with_values({n: x.detach() for n, x in rows.items()})
        for reward_factor in self.target.reward_factors:
            with torch.set_grad_enabled(reward_factor.differentiable and torch.is_grad_enabled()):
                value = reward_factor.log_value(env if reward_factor.differentiable else plain)
            yield reward_factor.name, value.expand(len(whole)).reshape(batch)


class StartDistribution(TorchDistribution):  # type: ignore[misc]
    """Where a variable starts: at draws of its marginal in the base of the program, or without one
    N(0, I) in the run's coordinates.
    """

    arg_constraints: Mapping[str, Any] = {}
    has_rsample = True

    def __init__(
        self, at: Coordinates, marginal: Marginal | None, batch: Sequence[int] = ()
    ) -> None:
        self.at, self.marginal = at, marginal
        super().__init__(Size(batch), Size(at.shape), validate_args=False)

    @property
    def support(self) -> constraints.Constraint:
        return self.at.codomain

    def expand(self, batch_shape: Sequence[int], _instance: None = None) -> StartDistribution:
        return StartDistribution(self.at, self.marginal, batch_shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        batch, device = Size((*sample_shape, *self.batch_shape)), self.at.space.loc.device
        if self.marginal is None:
            drawn: Tensor = self.at(torch.randn(*batch, self.at.free, device=device))
            return drawn
        uniform = torch.rand(batch.numel(), *self.at.shape, dtype=torch.float64, device=device)
        pick = torch.rand(batch.numel(), dtype=torch.float64, device=device)
        points = self.marginal.draw(uniform.clamp(min=1e-12), pick)
        return points.float().reshape(batch + self.event_shape)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log density of points (*batch, *shape); -inf outside of the support."""
        z = self.at.inv(x)
        if self.marginal is None:
            log_density = log_base(z.reshape(-1, self.at.free)).reshape(z.shape[:-1])
            log_density = log_density - self.at.log_abs_det_jacobian(z, x)
        else:
            log_density = self.marginal.log_density(x.reshape(-1, *self.at.shape))
            log_density = log_density.reshape(z.shape[:-1])
        return torch.where(torch.isfinite(z).all(-1), log_density, -math.inf)


class Coordinates(Transform):
    """From a run's unconstrained coordinates (..., n) to a variable in its own units and shape.

    Of vectors that sum to one n counts a component less.
    """

    bijective = True
    domain = constraints.real_vector

    def __init__(self, space: Space, variable: str) -> None:
        super().__init__()
        part = space.slice(variable)
        cuts = (bijection.within(part) for bijection in space.bijections)
        self.variable, self.shape = variable, space.shapes[variable]
        self.space = Space(
            {variable: self.shape},
            space.loc[part],
            space.scale[part],
            tuple(c for c in cuts if c is not None),
        )
        self.moves = torch.ones(self.space.size, dtype=torch.bool, device=space.loc.device)
        for bijection in self.space.bijections:
            self.moves[bijection.idle] = False
        self.free = int(self.moves.sum())
        self.codomain = VariableSupport(self)

    def _call(self, z: Tensor) -> Tensor:
        y, _ = self.space.supported(self._rows(z))
        return self.space.shaped(y)[self.variable].reshape((*z.shape[:-1], *self.shape))

    def _inverse(self, x: Tensor) -> Tensor:
        batch = x.shape[: x.dim() - len(self.shape)]
        z = (x.reshape(-1, self.space.size) - self.space.loc) / self.space.scale
        free = z.clone()
        for bijection in self.space.bijections:
            free[:, bijection.index] = (
                bijection.inverse(z[:, bijection.index]) - bijection.loc
            ) / bijection.scale
        return free[:, self.moves].reshape(*batch, self.free)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Of y = self(x)."""
        _, log_det = self.space.supported(self._rows(x))
        idle = 0.5 * LOG_2_PI * (self.space.size - self.free)
        return (log_det + idle + self.space.scale.log().sum()).reshape(x.shape[:-1])

    def forward_shape(self, shape: tuple[int, ...]) -> Size:
        return Size((*shape[:-1], *self.shape))

    def inverse_shape(self, shape: tuple[int, ...]) -> Size:
        return Size((*shape[: len(shape) - len(self.shape)], self.free))

    def _rows(self, z: Float[Tensor, "*batch n"]) -> Float[Tensor, "L D"]:
        """With a zero for the coordinate of each vector that has nothing to say."""
        flat = z.reshape(-1, self.free)
        rows = torch.zeros(len(flat), self.space.size, device=z.device, dtype=z.dtype)
        rows[:, self.moves] = flat
        return rows


class VariableSupport(constraints.Constraint):
    """Where a variable can be, by the coordinates that cover it."""

    is_discrete = False

    def __init__(self, coordinates: Coordinates) -> None:
        self.coordinates = coordinates
        self.event_dim = len(coordinates.shape)
        super().__init__()

    def check(self, value: Tensor) -> Tensor:
        return torch.isfinite(self.coordinates.inv(value)).all(-1)


for registry in (biject_to, transform_to):
    registry.register(VariableSupport, lambda domain: domain.coordinates)  # type: ignore[no-untyped-call]
