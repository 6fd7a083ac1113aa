"""Where a search for modes starts: at draws of every density that stands in a product, and of every
part of a mixture, beside draws of what the path would start from without it, some farther out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.compiler.plan.plan_parts import FactorSpec
from poedsl.compiler.plan.terms import mixture_parts, names
from poedsl.runtime.build.densities import Densities
from poedsl.runtime.space.coordinates import Space
from poedsl.runtime.space.parts import locate

#: Starts by the base, and how many times farther out than its draws some lie.
STARTS, SCALES = 120, (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
#: Draws of each part of a mixture, and the number of parts from which on there is one of each.
DRAWS, MANY = 4, 64


def search_starts(
    factors: Sequence[FactorSpec],
    space: Space,
    densities: Callable[[FactorSpec], Densities],
    drawn: Float[Tensor, "n D"],
) -> Float[Tensor, "L D"]:
    """Points in the run's coordinates, the same at every call.

    Args:
        drawn: of the base, at least ``STARTS``.
    """
    scales = drawn.new_tensor(SCALES).repeat(STARTS // len(SCALES))[:, None]
    starts = [drawn[:STARTS] * scales]
    with_density = [f for f in factors if f.kind in ("gaussian", "density")]
    components = [(f, part) for f in with_density for part in mixture_parts(f.term)]
    components = [(f, part) for f, part in components if not names(part) & space.shapes.keys()]
    components.sort(
        key=lambda pair: (repr(pair[1]), repr(pair[0].part))
    )  # however factors are ordered
    count = DRAWS if len(components) < MANY else 1
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        for factor, term in components:
            builder = densities(factor)
            part = locate(factor, space, builder.environment)
            points = builder.draws(term, part.shape, count, {})
            if points is None:
                continue
            x = space.loc.new_full((count, space.size), torch.nan)
            x[:, part.index] = points.reshape(count, -1)
            placed = space.placed(x)
            starts.append(placed.where(placed.isfinite(), drawn[:count]))
    every = torch.cat(starts)
    return every[every.isfinite().all(-1)]
