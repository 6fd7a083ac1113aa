"""The data of a plan with their likelihoods: drawn again, and the log density of each datum.

Every part of the data that a statement observes is a part of an array with the name of the input
or constant. A datum is drawn from the density of its statement. In a posterior predictive draw what
its parameters name of the data is as observed, so that a series is predicted a step ahead. In a
prior predictive draw the statements are drawn from in their order, each with what was drawn before.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.terms import Apply, Ref, Term, names
from poedsl.runtime.build.bound_plan import BoundPlan
from poedsl.runtime.build.draws_of_data import draw_data
from poedsl.runtime.build.likelihoods import Likelihood, likelihood
from poedsl.runtime.build.models import Models
from poedsl.runtime.build.product_builder import MOST_AT_ONCE
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.terms.evaluate import Environment, evaluate
from poedsl.runtime.terms.positions import positions
from poedsl.runtime.terms.refusals import refused


@dataclass(frozen=True, slots=True)
class ObservedPart:
    """A likelihood of a part of the data.

    Attributes:
        name: of the data.
        positions: of the part in the flattened array of the data.
        exponent: of the likelihood.
    """

    name: str
    positions: Int[Tensor, " n"]
    likelihood: Likelihood
    exponent: float


@dataclass(frozen=True, slots=True)
class ObservedData:
    """All data of a plan.

    Attributes:
        values: the arrays by name, as they are bound.
        parts: the likelihoods, in the order of the program.
        environment: with the values of inputs and constants.
        prior: whether draws take the statements in order, without observed values.
    """

    values: dict[str, Float[Tensor, " *shape"]]
    parts: tuple[ObservedPart, ...]
    environment: Environment
    prior: bool

    def log_likelihood(self, particles: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The log density of each datum at each particle by the name of the data, (L, *shape), as
        it counts: times the exponent of its statement.

        An event that is a vector has one number. Where statements do not cover the data, or are
        over events, the numbers stand in one size, in the order of the program.
        """
        count = len(next(iter(particles.values())))
        rows = max(1, MOST_AT_ONCE // max(1, *(value.numel() for value in self.values.values())))
        chunks = [
            self._log_likelihood({name: x[start : start + rows] for name, x in particles.items()})
            for start in range(0, count, rows)
        ]
        return {name: torch.cat([chunk[name] for chunk in chunks]) for name in self.values}

    def _log_likelihood(self, particles: Mapping[str, Tensor]) -> dict[str, Tensor]:
        count = len(next(iter(particles.values())))
        env = self.environment.with_values(particles)
        out: dict[str, Tensor] = {}
        for name in self.values:
            logs: list[tuple[ObservedPart, Tensor]] = []
            for part in self._of(name):
                with torch.no_grad():
                    events = part.exponent * part.likelihood.events(env)
                logs.append((part, events.expand(count, *events.shape[1:])))
            out[name] = self._arranged(name, logs, count)
        return out

    def _arranged(
        self, name: str, logs: list[tuple[ObservedPart, Tensor]], count: int
    ) -> Float[Tensor, "L *shape"]:
        shape = self.values[name].shape
        if any(events[0].numel() != len(part.positions) for part, events in logs):
            alone = len(logs) == 1
            return logs[0][1] if alone else torch.cat([e.reshape(count, -1) for _, e in logs], 1)
        like = logs[0][1] if logs else self.values[name]
        total = like.new_zeros(count, shape.numel())
        covered = torch.zeros(shape.numel(), dtype=torch.bool, device=total.device)
        for part, events in logs:
            total[:, part.positions] += events.reshape(count, -1)
            covered[part.positions] = True
        return total.view(count, *shape) if bool(covered.all()) else total[:, covered]

    def draws(self, particles: Mapping[str, Tensor], seed: int) -> dict[str, Tensor]:
        """The data drawn again for each particle by name, (L, *shape); what no statement observes
        is as it is bound.

        Raises:
            PoeError: data have a likelihood to a power, or several (P0715), or their density cannot
                be drawn from at these parameters.
        """
        count = len(next(iter(particles.values())))
        self._refuse_products()
        env = self.environment.with_values(particles)
        drawn = {
            name: value.reshape(1, -1).repeat(count, 1).double()
            for name, value in self.values.items()
        }
        if self.prior:
            for part in self.parts:
                drawn[part.name][:, part.positions] = math.nan
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(seed)
            for part in self.parts:
                if self.prior:
                    data = {n: d.view(count, *self.values[n].shape) for n, d in drawn.items()}
                    env = env.with_values({n: d.to(env.dtype) for n, d in data.items()})
                drawn[part.name][:, part.positions] = self._draw(part, env, count)
        return {n: d.view(count, *self.values[n].shape) for n, d in drawn.items()}

    def _draw(self, part: ObservedPart, env: Environment, count: int) -> Float[Tensor, "L n"]:
        source = part.likelihood
        shape = tuple(source.data.shape[1:])
        try:
            points = draw_data(source.factor.term, shape, source.densities, env, count)
        except ValueError as error:
            raise refused("P0715", str(error), factor=source.factor) from error
        if self.prior and bool(points.isnan().all()):
            note = "write a statement for each datum in a loop, in the order of the series"
            message = f"parameters of `{part.name}` name data that are not drawn before it"
            raise refused("P0715", message, note, factor=source.factor)
        return points.reshape(count, -1)

    def _of(self, name: str) -> list[ObservedPart]:
        return [part for part in self.parts if part.name == name]

    def _refuse_products(self) -> None:
        """Refuse data whose likelihood is no density of them."""
        for name, value in self.values.items():
            covered = torch.zeros(value.numel(), dtype=torch.long, device=value.device)
            for part in self._of(name):
                factor = part.likelihood.factor
                covered[part.positions] += 1
                if part.exponent != 1:
                    message = f"`{name}` has a likelihood to the power {part.exponent:g}"
                    raise refused("P0715", f"{message}, which is no density", factor=factor)
                if bool((covered > 1).any()):
                    message = f"`{name}` has several likelihoods, whose product is no density"
                    raise refused("P0715", message, factor=factor)


def observed_data(plan: PlanSpec, settings: RunSettings | None = None) -> ObservedData:
    """The data of a bound plan; of one without likelihoods there are none.

    Args:
        settings: those of the run; by default those of a run without arguments.

    Raises:
        PoeError: as a run of the plan.
    """
    settings = settings or RunSettings()
    bound = BoundPlan.of(plan, settings, Models.of(plan, settings))
    env = bound.values.environment
    observed = [f.observed for f in plan.factors if f.observed is not None]
    if not observed:
        return ObservedData({}, (), env, plan.prior)
    builder = bound.builder(bound.numbers())
    origin = builder.origin()
    bound_names = [n for term in observed for n in _data_names(term) if n in env.values]
    arrays = {name: evaluate(Ref(name), env)[0] for name in bound_names}
    parts: list[ObservedPart] = []
    for factor in bound.factors:
        if factor.kind != "likelihood" or factor.observed is None:
            continue
        name = next(_data_names(factor.observed))
        arrays.setdefault(name, evaluate(Ref(name), env)[0])
        density = likelihood(factor, builder.densities(factor), origin)
        where = positions(factor.observed, name, tuple(arrays[name].shape), env).flatten()
        parts.append(ObservedPart(name, where, density, builder.exponent(factor)))
    return ObservedData(arrays, tuple(parts), env, plan.prior)


def _data_names(observed: Term) -> Iterator[str]:
    """The name of the data that a term is the whole or a part of."""
    inner = observed
    while isinstance(inner, Apply):
        inner = inner.args[0]
    yield from names(inner)
