"""Parts of variables, as far as constants say where they are."""

from __future__ import annotations

from collections.abc import Iterable

from poedsl.compiler.terms import Apply, Const, Term

#: For each side of the whole the part's first and last fraction or index.
Extent = tuple[str, tuple[tuple[float, float], ...]]


def extent(part: Term) -> Extent | None:
    """What a part covers: a box in fractions, frames, or the first index; None where unknown."""
    assert isinstance(part, Apply)
    region = part.args[1]
    if isinstance(region, Const) and isinstance(region.value, int):
        return "items", ((region.value, region.value + 1),)
    if not isinstance(region, Apply):
        return None
    sides = [a.value for a in region.args if isinstance(a, Const)]
    numbers = [float(s) for s in sides if isinstance(s, (int, float))]
    if region.function == "box" and len(numbers) == 4:
        left, top, right, bottom = numbers
        return "box", ((left, right), (top, bottom))
    if region.function in ("frames", "slice") and len(numbers) == 2:
        return "items", ((numbers[0], numbers[1]),)
    return None


def overlap(a: Term, b: Term) -> bool:
    """Whether two parts are known to share something."""
    first, second = extent(a), extent(b)
    return first is not None and second is not None and _meet(first, second)


def _meet(first: Extent, second: Extent) -> bool:
    if first[0] != second[0]:
        return False
    pairs = zip(first[1], second[1], strict=True)
    return all(max(p[0], q[0]) < min(p[1], q[1]) for p, q in pairs)


def crossing(parts: Iterable[Term]) -> set[Term]:
    """The parts that are known to share something with another: a sweep along their first side."""
    known = {part: place for part in dict.fromkeys(parts) if (place := extent(part)) is not None}
    places = sorted(known.items(), key=lambda item: item[1][1])
    crossed: set[int] = set()
    reached: list[int] = []
    for i, (_, place) in enumerate(places):
        start = place[1][0][0]
        reached = [j for j in reached if places[j][1][1][0][1] > start]
        for j in reached:
            if not {i, j} <= crossed and _meet(places[j][1], place):
                crossed |= {i, j}
        reached.append(i)
    return {places[i][0] for i in crossed}
