"""Parts of variables: which are known to share something."""

from __future__ import annotations

import itertools
import random

import pytest

from poedsl.compiler.analysis.regions import crossing, overlap, unseen
from poedsl.compiler.plan.terms import Apply, Const, Ref, Term


def part(function: str, *sides: float | None) -> Term:
    return Apply("index", (Ref("x"), Apply(function, tuple(map(Const, sides)))))


def drawn(random_: random.Random, sizes: tuple[int, ...]) -> Term:
    a, b, c, d = (random_.randint(0, 12) for _ in range(4))
    match random_.randint(0, 2) if len(sizes) == 1 else random_.randint(3, 4):
        case 0:
            return Apply("index", (Ref("x"), Const(a - 6)))
        case 1:
            return part("slice", a, None)
        case 2:
            return part("slice", min(a, b), max(a, b))
        case 3:
            return part("frames", min(a, b), max(a, b))
        case _:
            return part("box", *(n / 12 for n in (min(a, b), min(c, d), max(a, b), max(c, d))))


@pytest.mark.parametrize("sizes", [(12,), (12, 3, 12, 12)])
def test_crossing_is_what_pairs_say(sizes: tuple[int, ...]) -> None:
    random_ = random.Random(0)
    for _ in range(300):
        parts = [drawn(random_, sizes) for _ in range(random_.randint(0, 9))]
        distinct = dict.fromkeys(parts)
        both = itertools.combinations(distinct, 2)
        pairs = [{a, b} for a, b in both if overlap(a, b, sizes)]
        assert crossing(parts, sizes) == set().union(*pairs)


def test_what_nothing_covers_is_found() -> None:
    rows = [((0.0, 3.0), (0.0, 2.0)), ((3.0, 4.0), (0.0, 1.0))]
    assert unseen(rows, (4, 2)) == (3, 1)
    assert unseen([*rows, ((3.0, 4.0), (1.0, 2.0))], (4, 2)) is None
    assert unseen([((0.0, 2.0), (0.0, 2.0))], (4, 2)) == (2,)
