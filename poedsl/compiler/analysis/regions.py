"""Extents of parts of variables, as far as constants determine them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import product

from poedsl.compiler.plan.terms import Apply, Const, Ref, Term
from poedsl.grammar.box_geometry import pixel_range
from poedsl.grammar.types import Sizes

#: For each side of the whole where the part begins and where it ends.
Extent = tuple[tuple[float, float], ...]
#: Above this many comparisons the search for uncovered components is left to the run.
MOST = 100_000


def extent(part: Term | None, sizes: Sizes) -> Extent | None:
    """What a part covers; None where unknown, as are the ends of parts of parts.

    A box is in fractions along the sides whose size is open.
    """
    if part is None:
        return whole(sizes)
    assert isinstance(part, Apply)
    if not isinstance(part.args[0], Ref):
        return None
    items = part.args[1:]
    region = items[0]
    if isinstance(region, Apply) and region.function in ("box", "frames"):
        numbers = [a.value for a in region.args if isinstance(a, Const)]
        ends = [float(n) for n in numbers if isinstance(n, (int, float))]
        if len(ends) < len(region.args):
            return None
        if region.function == "frames":
            return ((ends[0], ends[1]), *whole(sizes[1:]))
        left, top, right, bottom = ends
        rows, columns = pixels(top, bottom, sizes[-2]), pixels(left, right, sizes[-1])
        return (*whole(sizes[:-2]), rows, columns)
    intervals = [interval(i, s) for i, s in zip(items, sizes, strict=False)]
    bounded = tuple(f for f in intervals if f is not None)
    return (*bounded, *whole(sizes[len(items) :])) if len(bounded) == len(intervals) else None


def whole(sizes: Sizes) -> Extent:
    return tuple((0, math.inf if s is None else s) for s in sizes)


def pixels(first: float, last: float, size: int | None) -> tuple[float, float]:
    return (first, last) if size is None else pixel_range(size, first, last)


def interval(item: Term, size: int | None) -> tuple[float, float] | None:
    """What an index or a slice covers of a side."""
    match item:
        case Const(int(at)) if at >= 0 or size is not None:
            at = at if at >= 0 else at + (size or 0)
            return at, at + 1
        case Apply("slice", (Const(int() | None as first), Const(int() | None as last))) if size:
            rows = range(size)[first:last]
            return rows.start, rows.stop
        case Apply("slice", (Const(int(first)), Const(int(last)))) if min(first, last) >= 0:
            return first, last
        case _:
            return None


def overlap(a: Term | None, b: Term | None, sizes: Sizes) -> bool:
    """Whether two parts are known to share something."""
    first, second = extent(a, sizes), extent(b, sizes)
    return first is not None and second is not None and _meet(first, second)


def _meet(first: Extent, second: Extent) -> bool:
    return all(max(p[0], q[0]) < min(p[1], q[1]) for p, q in zip(first, second, strict=True))


def crossing(parts: Iterable[Term], sizes: Sizes) -> set[Term]:
    """The parts that are known to share something with another: a sweep along their first side."""
    every = {part: extent(part, sizes) for part in dict.fromkeys(parts)}
    located = [(part, place) for part, place in every.items() if place is not None]
    places = sorted(located, key=lambda item: item[1])
    crossed: set[int] = set()
    reached: list[int] = []
    for i, (_, place) in enumerate(places):
        start = place[0][0]
        reached = [j for j in reached if places[j][1][0][1] > start]
        for j in reached:
            if not {i, j} <= crossed and _meet(places[j][1], place):
                crossed |= {i, j}
        reached.append(i)
    return {places[i][0] for i in crossed}


def unseen(extents: Iterable[Extent], sizes: tuple[int, ...]) -> tuple[int, ...] | None:
    """The first component that is in none of these, without the last sides that none cuts."""
    distinct = sorted(set(extents))
    corners = [
        sorted({0, *(int(end) for e in distinct for end in e[axis] if end < size)})
        for axis, size in enumerate(sizes)
    ]
    if all(len(c) == 1 for c in corners[1:]):
        reached = 0.0
        for (first, last), *_ in distinct:
            if first > reached:
                break
            reached = max(reached, last)
        return (int(reached),) if reached < sizes[0] else None
    if math.prod(map(len, corners)) * len(distinct) > MOST:
        return None
    while len(corners) > 1 and len(corners[-1]) == 1:
        corners.pop()
    for at in product(*corners):
        if not any(all(a <= i < b for i, (a, b) in zip(at, e, strict=False)) for e in distinct):
            return at
    return None
