"""The bijections of a run: what the densities of a plan say about where its variables can be."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import reduce

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from poedsl.catalog.signatures import EVENT_RANKS, EVENTS, Event
from poedsl.compiler.analysis.supports import ends
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.plan_parts import FactorSpec
from poedsl.compiler.plan.terms import Term, names
from poedsl.runtime.build.ancestral_draws import FactorDraws
from poedsl.runtime.space.bijections import Bijection, EventBijection, IntervalBijection
from poedsl.runtime.space.coordinates import Space
from poedsl.runtime.space.parts import locate
from poedsl.runtime.terms.evaluate import Environment, evaluate
from poedsl.runtime.terms.functions import aligned
from poedsl.runtime.terms.refusals import factor_at, refused


def bijections(
    plan: PlanSpec, factors: Sequence[FactorSpec], space: Space, env: Environment
) -> tuple[Bijection, ...]:
    """A bijection for the components of each kind of support that the densities leave.

    Ends that depend on variables stay open: beyond them the density is zero by itself.

    Raises:
        PoeError: some component has nowhere to be.
    """
    low = space.loc.new_full((space.size,), -math.inf)
    high = -low
    lowest = torch.zeros(space.size, dtype=torch.long, device=low.device)
    highest = lowest.clone()
    rows: dict[int, tuple[Event, tuple[int, ...]]] = {}
    for number, factor in enumerate(factors):
        if factor.kind != "density":
            continue
        part, support = locate(factor, space, env), ends(factor.term, plan.signature)
        at = torch.arange(space.size, device=low.device)[part.index].view(part.shape)
        begins = end(support.low, -math.inf, torch.minimum, space, env).expand(part.shape)
        stops = end(support.high, math.inf, torch.maximum, space, env).expand(part.shape)
        lowest[at] = torch.where(begins > low[at], number, lowest[at])
        highest[at] = torch.where(stops < high[at], number, highest[at])
        low[at], high[at] = low[at].maximum(begins), high[at].minimum(stops)
        if bool((empty := low >= high).any()):
            first = int(empty.nonzero()[0])
            setters = factors[int(lowest[first])], factors[int(highest[first])]
            raise _nowhere(*setters, float(low[first]), float(high[first]))
        if support.event:
            _add_events(support.event, at, rows, factor)
    return tuple(_uncentred_bijections(low, high, sorted(set(rows.values()))))


def _add_events(
    event: Event,
    at: Int[Tensor, " *part"],
    rows: dict[int, tuple[Event, tuple[int, ...]]],
    factor: FactorSpec,
) -> None:
    """The components of each event of a density, by each of these components.

    Raises:
        PoeError: another density has events of another kind there, or other ones.
    """
    rank = EVENT_RANKS[event]
    for row in at.reshape(-1, math.prod(at.shape[at.dim() - rank :])).tolist():
        entry = (event, tuple(row))
        if any(rows.setdefault(i, entry) != entry for i in row):
            message = (
                f"{factor_at(factor)} is over {EVENTS[event]}, and another density here is not"
            )
            raise refused("P0414", message, "their vectors or matrices are the same, or apart")


def centred(
    uncentred: Sequence[Bijection], drawn: Sequence[FactorDraws], space: Space
) -> tuple[Bijection, ...]:
    """The bijections, centred and scaled as the draws are in unconstrained coordinates."""
    moments = [draws.within(bijection, space.size) for bijection in uncentred for draws in drawn]
    free = torch.zeros(space.size, dtype=torch.bool, device=space.loc.device)
    centre = Space.of(space.shapes, space.loc.device, dtype=space.loc.dtype).standardised(
        moments, fixed=free
    )
    return tuple(
        replace(bijection, loc=centre.loc[bijection.index], scale=centre.scale[bijection.index])
        for bijection in uncentred
    )


def _uncentred_bijections(
    low: Float[Tensor, " D"],
    high: Float[Tensor, " D"],
    events: Sequence[tuple[Event, tuple[int, ...]]],
) -> Iterator[Bijection]:
    below, above = low.isfinite(), high.isfinite()
    for kind_and_size in sorted({(event, len(row)) for event, row in events}):
        alike = [row for event, row in events if (event, len(row)) == kind_and_size]
        index = torch.tensor(alike, device=low.device)
        below[index] = above[index] = False
        yield EventBijection.over(kind_and_size[0], index, low.dtype)
    kinds: tuple[Bool[Tensor, " D"], ...] = (below & ~above, above & ~below, below & above)
    for kind in kinds:
        if bool(kind.any()):
            yield IntervalBijection.between(kind.nonzero().flatten(), low[kind], high[kind])


def end(
    terms: Sequence[Term],
    otherwise: float,
    pick: Callable[[Tensor, Tensor], Tensor],
    space: Space,
    env: Environment,
) -> Float[Tensor, " *shape"]:
    """The outermost end, if it depends on no variable; else ``otherwise``."""
    if not terms or any(names(t) & space.shapes.keys() for t in terms):
        return torch.tensor(otherwise, dtype=env.dtype, device=env.device)
    return reduce(pick, aligned([evaluate(t, env) for t in terms]))[0].to(env.dtype)


def _nowhere(begins: FactorSpec, stops: FactorSpec, low: float, high: float) -> Exception:
    if begins is stops:
        message = f"the support begins below its end, and this is from {low:g} to {high:g}"
        return refused("P0307", message, factor=begins)
    return refused(
        "P0414",
        f"these densities over `{begins.variables[0]}` share no point, and their product is zero",
        f"{factor_at(stops)} is zero above {high:g}",
        f"{factor_at(begins)} is zero below {low:g}",
    )
