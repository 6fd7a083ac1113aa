"""Damaged plans in JSON: each is refused, or runs to a result or to a diagnostic.

    python benchmarks/mutated_plans.py [--count 1000] [--seed 0] [--case NUMBER] [--load]

Each case takes the JSON of a plan, replaces, removes, exchanges or repeats some of its parts,
writes the hash that its content then has, and loads it. A plan that is accepted is run with few
particles. A case fails if

- an exception other than PoeError is raised, by loading, by printing or by running;
- it takes more than `PATIENCE` seconds.
"""

from __future__ import annotations

import collections
import copy
import json
import random
import signal
import traceback
import warnings
from functools import partial
from types import FrameType
from typing import Any

from cases import parser, report

import poedsl
from poedsl.compiler.plan.plan import canonical_hash
from poedsl.compiler.plan.terms import Const

PATIENCE = 20
PROGRAMS = {
    "tempered": "x : Real[2]\nx ~ Normal(0, 1) * StudentT(3, [1, 0], 2) * exp(-sum(x^2))",
    "noised": "x : Real[2]\nx ~ Normal([-1, 0], 1) * Normal([0, 1], 0.8)\n"
    "x ~ where(norm(x - [0.2, 0.4]) < 0.7)\nsample x by anneal(steps = 4)",
    "data": "input y : Real[_] = [0.3, 1.1, 2.4]\ninput n : Int = 2\nm ~ Normal(0, 5)\n"
    "s ~ HalfNormal(1)\ny ~ Normal(m * n, s)\nlet k = sum(y)\nreport m + k, t = m > 0",
    "tokens": "x : Tokens[4]\nx ~ Markov([0.5, 0.5], [[0.5, 0.5], [0.1, 0.9]])\nx ~ exp(x[0])",
    "text": 'x : Tokens[4]\nx ~ Automaton("a*b.*", "abc") * where(matches(x, "a+b"))',
    "pictures": "x : Image[1, 8, 8]\nx ~ digits()^2\n"
    "x[box(0, 0, 0.5, 1)] ~ exp(-sum(x[box(0, 0, 0.5, 1)]^2))\n"
    "x ~ exp(digit_score(3))\nsample x by anneal(particles = 2, steps = 2)",
    "mixture": "let c = linspace(-3, 3, count = 4)\nx ~ mixture(Normal(m, 0.5) for m in c)\n"
    "x ~ exp(sum(c * x))",
    "loops": "input y : Real[5] = [1, 2, 3, 4, 5]\nx ~ Normal(0, 1)\n"
    "x ~ exp(-sum((x - i) * y[i] for i in range(5)) / 100)\n"
    "let v = scan(v = 1: 0.2 + 0.5 * v + e for e in y)\nx ~ Normal(v[2], 10)",
}
JUNK: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 0.5, 1e308, -1e-300, 2**70, 10**30, "", "x", "y", "list"),
    *("index", "mixture", "Normal", "exp", "where", "\x00", "../../x", [], {}, [[]], [1, 2]),
)


def plans() -> dict[str, Any]:
    """The plans that are damaged, as JSON."""
    return {name: json.loads(poedsl.compile(text).to_json()) for name, text in PROGRAMS.items()}


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all parts of a JSON value, but for the whole."""
    items = data.items() if isinstance(data, dict) else enumerate(data)
    found = []
    for key, value in items:
        found.append((*path, key))
        if isinstance(value, (dict, list)):
            found += places(value, (*path, key))
    return found


def part(data: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        data = data[key]
    return data


def mutated(data: Any, others: list[Any], r: random.Random) -> Any:
    """A copy with one to three parts changed."""
    data = copy.deepcopy(data)
    for _ in range(r.choice((1, 1, 1, 2, 3))):
        paths = [p for p in places(data) if p[0] not in ("hash", "schema")]
        *outer, key = r.choice(paths)
        holder = part(data, tuple(outer))
        match r.randrange(6):
            case 0:
                holder[key] = copy.deepcopy(r.choice(JUNK))
            case 1 | 5:
                del holder[key]
            case 2 if isinstance(holder, list):
                holder.insert(key, copy.deepcopy(holder[key]))
            case 3:
                other = r.choice(others)
                holder[key] = copy.deepcopy(part(other, r.choice(places(other))))
            case _:
                alike = [p for p in paths if type(part(data, p)) is type(holder[key])]
                holder[key] = copy.deepcopy(part(data, r.choice(alike)))
    return data


def outcome(data: Any, load_only: bool) -> str:
    """What became of a plan."""
    text = json.dumps({**data, "hash": canonical_hash(data)})
    try:
        plan = poedsl.load(text)
        str(plan), repr(plan)
    except poedsl.PoeError as error:
        return f"refused {error.diagnostics[0].code}"
    if load_only:
        return "loaded"
    try:
        small = {"particles": 4} if plan.spec.option("islands") == Const(1) else {}
        result = plan.run(steps=2, **small)
    except poedsl.PoeError as error:
        return f"stopped {error.diagnostics[0].code}"
    return f"ran {result.outcome.name.lower()}"


class TooSlow(BaseException):
    """A case took more than `PATIENCE` seconds."""


def ring(_: int, __: FrameType | None) -> None:
    raise TooSlow


def run(count: int, seed: int, first: int = 0, load_only: bool = False) -> tuple[Any, list[str]]:
    """How often each outcome occurred, and what failed."""
    counts: dict[str, int] = collections.Counter()
    failures: list[str] = []
    originals = plans()
    others = list(originals.values())
    for text in PROGRAMS.values():  # So that no case waits for libraries to load.
        poedsl.compile(text).run(particles=4, steps=2)
    signal.signal(signal.SIGALRM, ring)
    for number in range(first, first + count):
        r = random.Random(f"{seed} {number}")
        name = r.choice(sorted(originals))
        damaged = mutated(originals[name], others, r)
        signal.alarm(PATIENCE)
        try:
            counts[outcome(damaged, load_only)] += 1
        except (Exception, TooSlow):
            trace = traceback.format_exc(limit=-6)
            failures.append(f"case {number} of seed {seed}, {name}\n{trace}")
        finally:
            signal.alarm(0)
    return counts, failures


def main() -> None:
    arguments = parser(__doc__, 1000)
    arguments.add_argument("--load", action="store_true", help="load only")
    args = arguments.parse_args()
    warnings.simplefilter("ignore")
    report(args, partial(run, load_only=args.load))


if __name__ == "__main__":
    main()
