"""Each component in words: mean, standard deviation, quantiles, bulk ESS and R-hat."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import product

import torch
from jaxtyping import Float, Int
from torch import Tensor

from poedsl.compiler.plan.plan import PlanSpec
from poedsl.grammar.types import SYMBOLS
from poedsl.runtime.core.quantiles import weighted_quantiles
from poedsl.runtime.results.tail_shapes import tail_shapes

#: Variables with more components are summarised in one row.
LISTED = 24
#: Of larger variables so many components are looked at, evenly spread.
MOST_COLUMNS = 4096
#: The Pareto shape of a tail above which the mean cannot be estimated (Vehtari et al. 2024).
LARGEST_SHAPE = 0.7
QUANTILES = (0.05, 0.5, 0.95)
_HEAD = ("", "mean", "sd", "5%", "50%", "95%", "bulk ESS", "R-hat")


@dataclass(frozen=True, slots=True)
class ComponentSummary:
    """One component under the weights, or all components of a large variable together.

    Attributes:
        components: how many there are in this row; above 1, mean, sd and quantiles are of the
            values of all, ``bulk_ess`` is the least and ``r_hat`` the largest of theirs.
        mean, sd: mean and standard deviation.
        q5, q50, q95: quantiles.
        bulk_ess: effective sample size for the mean of the rank-normalised component; None where
            it does not vary.
        r_hat: rank-normalised, the larger one of location and scale (Vehtari et al. 2021); None
            with fewer than two islands.
        tail_shape: the Pareto shape of the heavier tail; None where there are too few draws.
    """

    components: int
    mean: float
    sd: float
    q5: float
    q50: float
    q95: float
    bulk_ess: float | None
    r_hat: float | None
    tail_shape: float | None = None


class PosteriorSummary(Mapping[str, ComponentSummary]):
    """Summaries by the name of a component, such as ``beta[0]``; printed as a table."""

    def __init__(self, rows: Mapping[str, ComponentSummary]) -> None:
        self._rows = dict(rows)

    def __getitem__(self, name: str) -> ComponentSummary:
        return self._rows[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return "\n".join(self.lines())

    @property
    def least_ess(self) -> tuple[str, float] | None:
        """The listed component with the least bulk ESS."""
        sizes = {n: r.bulk_ess for n, r in self.items() if r.bulk_ess and r.components == 1}
        return min(sizes.items(), key=lambda item: item[1]) if sizes else None

    @property
    def largest_r_hat(self) -> tuple[str, float] | None:
        values = {n: r.r_hat for n, r in self.items() if r.r_hat is not None}
        return max(values.items(), key=lambda item: item[1]) if values else None

    @property
    def heavy_tailed(self) -> tuple[str, ...]:
        """Components whose mean and standard deviation rest on a few extreme draws."""
        return tuple(n for n, r in self.items() if (r.tail_shape or 0) > LARGEST_SHAPE)

    def table(self) -> list[tuple[str, ...]]:
        """The head and a row a component; R-hat only where there are several islands."""
        several = any(r.r_hat is not None for r in self.values())
        rows = [_HEAD, *(_cells(name, row) for name, row in self.items())]
        return rows if several else [row[:-1] for row in rows]

    def lines(self) -> list[str]:
        """The table for a terminal; empty without components."""
        if not self._rows:
            return []
        table = self.table()
        widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
        return [
            "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
            for row in table
        ]


def _cells(name: str, row: ComponentSummary) -> tuple[str, ...]:
    numbers = [f"{v:.4g}" for v in (row.mean, row.sd, row.q5, row.q50, row.q95)]
    size = "" if row.bulk_ess is None else f"{row.bulk_ess:.0f}"
    r_hat = "" if row.r_hat is None else f"{row.r_hat:.3f}"
    shown = name if row.components == 1 else f"{name} ({row.components} components)"
    return (shown, *numbers, size, r_hat)


def named(
    plan: PlanSpec,
    particles: Mapping[str, Tensor],
    sites: Mapping[str, Mapping[str, Tensor]],
) -> dict[str, Tensor]:
    """What is summarised: numeric variables, whether a category has each of its values, and the
    sites of models of Pyro in place of the variable that holds them, under the names that they have
    there unless a variable has it.
    """
    values: dict[str, Tensor] = {}
    sited = {f.variables[0] for f in plan.factors if f.name in sites and f.part is None}
    for variable in plan.variables:
        value = particles[variable.name]
        if variable.name in sited:
            continue
        if variable.type.name == "Category":
            count = variable.type.sizes[0] or int(value.max()) + 1
            values |= {f"{variable.name} == {k}": (value == k).double() for k in range(count)}
        elif variable.type.name not in SYMBOLS:
            values[variable.name] = value
    for factor, by_site in sites.items():
        for name, value in by_site.items():
            values[f"{factor}.{name}" if name in values else name] = value
    return values


def summarise(
    values: Mapping[str, Tensor],
    log_weights: Float[Tensor, " L"],
    roots: Int[Tensor, " L"],
    islands: int,
    pictures: Collection[str] = (),
) -> PosteriorSummary:
    """The summary of named variables.

    Args:
        values: of each variable, (L, ...).
        log_weights: normalised or not; without any weight there is nothing to summarise.
        roots: the slot of the root of each particle's line of descent; particles of different roots
            are independent.
        islands: populations, one after another.
        pictures: variables that have one row, however small they are.
    """
    if not bool(torch.isfinite(log_weights).any()):
        return PosteriorSummary({})
    rows: dict[str, ComponentSummary] = {}
    for name, value in values.items():
        columns = value.detach().reshape(len(value), -1)
        count = columns.shape[1]
        if not count:
            continue
        columns_used = columns[:, :: -(-count // MOST_COLUMNS)].to(log_weights)
        summaries = _summaries(columns_used, log_weights, roots, islands)
        if count > LISTED or name in pictures:
            rows[name] = _together(columns_used, count, log_weights, summaries)
        else:
            rows |= zip(component_names(name, value.shape[1:]), summaries, strict=True)
    return PosteriorSummary(rows)


def component_names(name: str, shape: torch.Size) -> Iterator[str]:
    """The components of a variable in order: `x`, `x[0]`, `x[0, 1]`."""
    for index in product(*map(range, shape)):
        yield f"{name}[{', '.join(map(str, index))}]" if index else name


def _summaries(
    x: Float[Tensor, "L C"],
    log_weights: Float[Tensor, " L"],
    roots: Int[Tensor, " L"],
    islands: int,
) -> list[ComponentSummary]:
    weights = log_weights.softmax(0)
    order = x.argsort(0)
    quantiles = weighted_quantiles(x, order, weights, QUANTILES)
    mean = quantiles[1] + weights @ (x - quantiles[1])
    sd = (weights @ (x - mean).square()).sqrt()
    ess = bulk_ess(normal_scores(x, order, weights), weights, roots)
    r_hat = rank_normalised_r_hat(x, log_weights.view(islands, -1))
    shapes = tail_shapes(x, weights)
    columns = torch.stack((mean, sd, *quantiles, ess, r_hat, shapes), 1)
    return [ComponentSummary(1, *row[:5], *map(_finite, row[5:])) for row in columns.tolist()]


def _together(
    x: Float[Tensor, "L C"],
    components: int,
    log_weights: Float[Tensor, " L"],
    summaries: list[ComponentSummary],
) -> ComponentSummary:
    """A variable of so many components in one row, by those that are looked at."""
    weights = log_weights.softmax(0)
    values, shares = x.flatten()[:, None], weights.repeat_interleave(x.shape[1]) / x.shape[1]
    mean = shares @ values
    sd = (shares @ (values - mean).square()).sqrt()
    q5, q50, q95 = (
        float(q) for q in weighted_quantiles(values, values.argsort(0), shares, QUANTILES)
    )
    sizes = [s.bulk_ess for s in summaries if s.bulk_ess is not None]
    r_hats = [s.r_hat for s in summaries if s.r_hat is not None]
    shapes = [s.tail_shape for s in summaries if s.tail_shape is not None]
    least, largest = min(sizes, default=None), max(r_hats, default=None)
    moments = float(mean), float(sd)
    shape = max(shapes, default=None)
    return ComponentSummary(components, *moments, q5, q50, q95, least, largest, shape)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def normal_scores(
    x: Float[Tensor, "L C"], order: Int[Tensor, "L C"], weights: Float[Tensor, " L"]
) -> Float[Tensor, "L C"]:
    """Normal quantiles of the ranks under the weights; equal values have their mean rank."""
    ordered = x.gather(0, order)
    new = torch.ones_like(ordered, dtype=torch.long)
    new[1:] = (ordered[1:] != ordered[:-1]).long()
    run = new.cumsum(0) - 1
    mass = torch.zeros_like(ordered).scatter_add(0, run, weights[order])
    rank = (mass.cumsum(0) - mass / 2).gather(0, run)
    scores = torch.special.ndtri(rank.clamp(1e-12, 1 - 1e-12))
    return torch.empty_like(x).scatter(0, order, scores)


def bulk_ess(
    z: Float[Tensor, "L C"], weights: Float[Tensor, " L"], roots: Int[Tensor, " L"]
) -> Float[Tensor, " C"]:
    """How many independent draws estimate the mean of each column as well: its variance over that
    of its weighted mean, by the totals of roots (Lee and Whiteley 2018). NaN of constants.
    """
    off = z - weights @ z
    totals = torch.zeros_like(off).index_add(0, roots, weights[:, None] * off)
    variance = weights @ off.square()
    ess = (variance / totals.square().sum(0)).clamp(max=len(z))
    return torch.where(variance > 1e-12, ess, math.nan)


def rank_normalised_r_hat(
    x: Float[Tensor, "L C"], log_weights: Float[Tensor, "S n"]
) -> Float[Tensor, " C"]:
    """R-hat of the columns between islands, each by its own weights: the larger one of ranks and
    of ranks of distances from the median. NaN with fewer than two islands that have weight.
    """
    alive = torch.isfinite(log_weights).any(1)
    count, size = int(alive.sum()), log_weights.shape[1]
    if count < 2:
        return x.new_full((x.shape[1],), math.nan)
    within = log_weights[alive].softmax(1)
    x = x.view(len(alive), size, -1)[alive].flatten(0, 1)
    pooled = (within / count).flatten()
    order = x.argsort(0)
    median = weighted_quantiles(x, order, pooled, QUANTILES)[1]
    r_hats = []
    for values in (x, (x - median).abs()):
        z = normal_scores(values, values.argsort(0), pooled).view(count, size, -1)
        means = (within[..., None] * z).sum(1)
        variance = (within[..., None] * (z - means[:, None]).square()).sum(1).mean(0)
        r_hats.append(((size - 1) / size + means.var(0) / variance).sqrt())
    return torch.maximum(*r_hats)
