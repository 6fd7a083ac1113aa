"""Likelihoods: densities of data whose parameters depend on variables.

All particles and all data are evaluated at once: the data stand in one row, and the parameters have
a row for each particle where they depend on variables.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from poedsl.catalog.discrete_densities import CATEGORIES
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.plan_parts import FactorSpec
from poedsl.compiler.plan.terms import Apply, Term, mixture_parts, names
from poedsl.compiler.plan.text import print_term
from poedsl.experts.densities.pyro_densities import (
    in_support,
)
from poedsl.runtime.build.densities import Densities, parameters
from poedsl.runtime.build.linear_gaussian import LinearGaussian, linear_gaussian
from poedsl.runtime.terms.evaluate import Environment, evaluate
from poedsl.runtime.terms.log_densities import event_logs
from poedsl.runtime.terms.refusals import refused

#: At most so many data that do not fit are shown.
MOST_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Likelihood:
    """The log density of data at the values that names stand for.

    Attributes:
        data: in one row, in double precision.
        densities: by which constant parameters are read.
        reduced: the same by fewer numbers, where there are such.
    """

    factor: FactorSpec
    data: Float[Tensor, "1 *shape"]
    densities: Densities
    reduced: LinearGaussian | None = None

    @property
    def rows(self) -> int:
        """How many numbers are evaluated for each particle."""
        return self.data.numel() if self.reduced is None else self.reduced.rows

    def shortened(self, at: Environment) -> Likelihood:
        """The same by fewer numbers where that is known, for values of variables as ``at`` has."""
        reduced = linear_gaussian(self.factor.term, self.data, self.densities.variables, at)
        return replace(self, reduced=reduced)

    def events(self, env: Environment) -> Float[Tensor, "#L *events"]:
        """The log density of each event, in one row where it depends on no variable."""
        return event_logs(self.factor.term, self.data, lambda term: evaluate(term, env))

    def log_value(self, env: Environment) -> Float[Tensor, " L"]:
        """Summed over the data, a number for each particle."""
        count = max(len(env.values[name]) for name in self.factor.variables)
        if self.reduced is not None:
            return self.reduced.log_value(env).to(env.dtype).expand(count)
        logs = self.events(env)
        return logs.reshape(len(logs), -1).sum(-1).to(env.dtype).expand(count)


def likelihood(factor: FactorSpec, densities: Densities, at: Environment) -> Likelihood:
    """A likelihood, its data checked against the support.

    Args:
        at: with values of all variables, from which numbers of categories are taken.

    Raises:
        PoeError: there are no data, they are out of the support, or a constant parameter is out of
            its range or does not fit.
    """
    assert factor.observed is not None
    data = evaluate(factor.observed, densities.environment).double()
    if not data.numel():
        shown = print_term(factor.observed)
        raise refused("P0607", f"`{shown}` has no data: its shape is {_sizes(data)}", factor=factor)
    if not densities.models.plan.prior:
        check_support(factor, data, densities, at)
    check_constants(factor.term, tuple(data.shape[1:]), densities)
    return Likelihood(factor, data, densities)


def check_constants(term: Term, shape: tuple[int, ...], densities: Densities) -> None:
    """Whether the parameters that depend on no variable are in their ranges and fit the data.

    Raises:
        PoeError: one is not.
    """
    for part in mixture_parts(term):
        assert isinstance(part, Apply)
        densities.constants(part, shape)


def shapes_of_data(factor: FactorSpec, plan: PlanSpec, env: Environment) -> tuple[str, ...]:
    """The inputs in a likelihood with their declarations and their shapes, for messages."""
    if factor.observed is None:
        return ()
    used = names(factor.observed) | names(factor.term)
    lets = {c.name: names(c.term) for c in plan.lets}
    for let in reversed(plan.lets):
        used |= lets[let.name] if let.name in used else frozenset()
    return tuple(
        f"`{i.name} : {i.type}`, declared at {i.place}, has the shape {_sizes(value)}"
        for i in plan.inputs
        if i.name in used and isinstance(value := env.values[i.name], Tensor) and i.type.sizes
    )


def check_support(
    factor: FactorSpec, data: Float[Tensor, "1 *shape"], densities: Densities, at: Environment
) -> None:
    """Whether all data are in the support of a density, or of a part of a mixture.

    Raises:
        PoeError: some are not, with the first of them.
    """
    inside = torch.zeros_like(data, dtype=torch.bool)
    for part in mixture_parts(factor.term):
        assert isinstance(part, Apply)
        inside = inside | _supported(part, data, densities, at)
    if bool(inside.all()):
        return
    outside = (~inside[0]).nonzero().tolist()
    assert factor.observed is not None
    shown = print_term(factor.observed)
    first = outside[:MOST_SHOWN]
    listed = [f"`{indexed(shown, at)}` is {float(data[(0, *at)]):g}" for at in first]
    more = f", and {len(outside) - MOST_SHOWN} more" if len(outside) > MOST_SHOWN else ""
    call = next(mixture_parts(factor.term))
    assert isinstance(call, Apply)
    support = densities.signature(call).support
    raise refused(
        "P0607",
        f"{len(outside)} of the {data.numel()} values of `{shown}` are out of the support of "
        f"`{call.function}`, {support}",
        ", ".join(listed) + more,
        factor=factor,
    )


def _supported(
    part: Apply, data: Float[Tensor, "1 *shape"], densities: Densities, at: Environment
) -> Bool[Tensor, "1 *shape"]:
    """Which data are in a density's support, as far as it does not depend on variables."""
    density = Apply(
        part.function,
        (),
        tuple((k, v) for k, v in part.kwargs if not names(v) & densities.variables),
    )
    densities.constants(density, tuple(data.shape[1:]))
    if densities.signature(part).support.high == CATEGORIES:
        density = part
    values = parameters(density, at, tuple(data.shape))
    ends = {name: value.double() for name, value in values.items()}
    return in_support(part.function, ends, data, strict=True)[0]


def indexed(shown: str, at: list[int]) -> str:
    """The expression of one of the data."""
    return f"{shown}[{', '.join(map(str, at))}]" if at else shown


def _sizes(data: Tensor) -> str:
    return f"[{', '.join(map(str, data.shape[1:]))}]"
