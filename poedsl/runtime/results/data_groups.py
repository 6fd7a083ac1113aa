"""The groups of ArviZ data that concern observed data: likelihoods and predictions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import torch
from jaxtyping import Int
from torch import Tensor

from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.plan_parts import Array
from poedsl.compiler.plan.terms import names
from poedsl.grammar.errors import PoeError
from poedsl.runtime.results.arviz_data import dataset, of_draws, rows

if TYPE_CHECKING:
    import xarray

    from poedsl.runtime.build.observed_data import ObservedData


@runtime_checkable
class PredictingRun(Protocol):
    """What these groups need of a result; `Result` describes the attributes."""

    @property
    def plan(self) -> PlanSpec: ...
    @property
    def particles(self) -> Mapping[str, Tensor]: ...
    @property
    def reports(self) -> Mapping[str, Tensor]: ...
    @property
    def log_weights(self) -> Tensor: ...
    def observed(self) -> ObservedData: ...


def data_groups(
    result: PredictingRun,
    index: Int[Tensor, "chain draw"],
    prior: PredictingRun | None,
    *,
    with_data: bool = True,
) -> dict[str, xarray.Dataset]:
    """``log_likelihood``, ``observed_data`` and ``posterior_predictive`` of a program with data;
    of a run of the prior ``prior`` and ``prior_predictive``.

    Args:
        index: the slots of the draws.
        with_data: whether to add the groups of the data of ``result``.
    """
    groups: dict[str, xarray.Dataset] = {}
    if with_data and data_count(result.plan) and not result.plan.prior:
        observed = result.observed()
        logs = observed.log_likelihood(result.particles)
        groups["log_likelihood"] = of_draws(rows(logs, index))
        groups["observed_data"] = dataset(
            {
                name: (tuple(f"{name}_dim_{k}" for k in range(value.dim())), value.cpu().numpy())
                for name, value in observed.values.items()
            }
        )
        with suppress(PoeError):
            groups["posterior_predictive"] = of_draws(predictive(result, index))
    if prior is not None:
        shares = prior.log_weights.cpu().softmax(0)
        generator = torch.Generator("cpu").manual_seed(0)
        slots = torch.multinomial(shares, len(shares), replacement=True, generator=generator)[None]
        groups["prior"] = of_draws(rows({**prior.particles, **prior.reports}, slots))
        with suppress(PoeError):
            groups["prior_predictive"] = of_draws(predictive(prior, slots))
    return groups


def data_count(plan: PlanSpec) -> int:
    """The number of data in the likelihoods of a bound plan; that of the inputs of a constant."""
    observed = [f.observed for f in plan.factors if f.observed is not None]
    used = {name for term in observed for name in names(term)}
    for let in reversed(plan.lets):
        used |= names(let.term) if let.name in used else set()
    shapes = [v.shape for name, v in plan.bindings if name in used and isinstance(v, Array)]
    return max(sum(map(math.prod, shapes)), len(observed))


def predictive(result: PredictingRun, index: Int[Tensor, "chain draw"]) -> dict[str, Any]:
    """The data drawn again at the slots of draws."""
    flat = index.flatten()
    particles = {name: x[flat.to(x.device)] for name, x in result.particles.items()}
    drawn = result.observed().draws(particles, 0)
    return {n: x.cpu().view(*index.shape, *x.shape[1:]).numpy() for n, x in drawn.items()}
