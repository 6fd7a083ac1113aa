"""Parts of variables, as far as constants say where they are."""

from __future__ import annotations

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
    if first is None or second is None or first[0] != second[0]:
        return False
    pairs = zip(first[1], second[1], strict=True)
    return all(max(p[0], q[0]) < min(p[1], q[1]) for p, q in pairs)
