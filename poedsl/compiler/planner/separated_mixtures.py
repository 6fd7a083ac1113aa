"""Products of mixtures whose parts are far apart: noise does not say which modes have mass."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import chain, combinations, product
from typing import NamedTuple

from poedsl.compiler.functions.constants import constant_value, flatten, shape
from poedsl.compiler.plan.plan_parts import FactorSpec
from poedsl.compiler.plan.terms import Apply, Const, Value, mixture_parts

#: Parts of different factors are near within so many standard deviations, of both together.
NEAR = 3.0
#: No more pairs of parts than these are compared.
MOST_PAIRS = 100_000


class MixtureComponent(NamedTuple):
    """A constant Gaussian of a mixture; one number stands for all components."""

    loc: Value
    scale: Value


def separated_mixture(factors: Iterable[FactorSpec]) -> FactorSpec | None:
    """A mixture among densities over one variable whose parts are not known to be near those of the
    others; None without one.
    """
    every = list(factors)
    mixtures = [f for f in every if len(list(mixture_parts(f.term))) > 1]
    if not mixtures or (len(every) == 1 and every[0].exponent == Const(1)):
        return None
    by_factor = [gaussian_parts(f) for f in every]
    parts = [p for p in by_factor if p is not None]
    if len(parts) < len(every):
        return mixtures[0]
    if sum(len(a) * len(b) for a, b in combinations(parts, 2)) > MOST_PAIRS:
        return mixtures[0]
    pairs = chain.from_iterable(product(a, b) for a, b in combinations(parts, 2))
    return None if all(gap(a, b) < NEAR for a, b in pairs) else mixtures[0]


def gaussian_parts(factor: FactorSpec) -> list[MixtureComponent] | None:
    """The Gaussians that a factor is made of; None where it is a power of them, sees a part of its
    variable, or is made of others.
    """
    if factor.exponent != Const(1) or factor.part is not None or factor.loops:
        return None
    parts = []
    for density in mixture_parts(factor.term):
        if not isinstance(density, Apply) or density.function != "Normal":
            return None
        values = {name: constant_value(value) for name, value in density.kwargs}
        loc, scale = values.get("loc"), values.get("scale")
        if loc is None or scale is None:
            return None
        parts.append(MixtureComponent(loc, scale))
    return parts


def gap(a: MixtureComponent, b: MixtureComponent) -> float:
    """How far apart two Gaussians are along a component, in standard deviations of both; infinite
    where their parameters differ in shape.
    """
    values = (a.loc, b.loc, a.scale, b.scale)
    if len({shape(v) for v in values if isinstance(v, tuple)}) > 1:
        return math.inf
    flat = [flatten(v) for v in values]
    size = max(map(len, flat))
    rows = zip(*(v if len(v) == size else v * size for v in flat), strict=True)
    return max((abs(m - n) / math.hypot(s, t) for m, n, s, t in rows), default=0.0)
