"""Parts of variables: which are known to share something."""

from __future__ import annotations

import itertools
import random

from poedsl.compiler.regions import crossing, overlap
from poedsl.compiler.terms import Apply, Const, Ref, Term


def part(function: str, *sides: float | None) -> Term:
    return Apply("index", (Ref("x"), Apply(function, tuple(map(Const, sides)))))


def drawn(random_: random.Random) -> Term:
    a, b, c, d = (random_.randint(0, 12) for _ in range(4))
    match random_.randint(0, 4):
        case 0:
            return Apply("index", (Ref("x"), Const(a - 6)))
        case 1:
            return part("slice", a, None)
        case 2:
            return part("slice", min(a, b), max(a, b))
        case 3:
            return part("frames", min(a, b), max(a, b))
        case _:
            return part("box", min(a, b), min(c, d), max(a, b), max(c, d))


def test_crossing_is_what_pairs_say() -> None:
    random_ = random.Random(0)
    for _ in range(300):
        parts = [drawn(random_) for _ in range(random_.randint(0, 9))]
        distinct = dict.fromkeys(parts)
        pairs = [{a, b} for a, b in itertools.combinations(distinct, 2) if overlap(a, b)]
        assert crossing(parts) == set().union(*pairs)
