"""Whether a change left every particle as it was, bit by bit.

    python benchmarks/same_particles.py --record before.json     # before the change
    python benchmarks/same_particles.py --against before.json   # after it

Runs 43 plans, which have every path, kernel, correction, potential and resampler among them, at one
seed and in one thread, and records digests of the samples, the weights, the log-evidence and the
hash of the plan. Exits with 1 where one differs. Digests can be compared on one machine, with the
same versions of the libraries.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import poedsl

PRODUCT = "x : Real[2]\nx ~ Normal(0, 1) * Normal([1, 2], 0.5)"
CORRELATED = "x : Real[3]\nx ~ MultivariateNormal([0, 1, 2], [[2, 1, 0], [1, 2, 1], [0, 1, 2]])"
RING = "x : Real[2]\nx ~ Normal(0, 1) * exp(-2 * (norm(x) - 1)^2)"
SCHOOLS = """mu ~ Normal(0, 5)
tau ~ HalfNormal(5)
theta : Real[4]
theta ~ Normal(mu, tau) * Normal([28, 8, -3, 7], [15, 10, 16, 11])"""
REGRESSION = "b ~ Normal(0, 2.5)\nb ~ exp(30 * b - 100 * softplus(b))"
MIXTURE = "x ~ mixture(0.3: Normal(-2, 0.5), 0.7: Normal(2, 0.5))\nx ~ where(x > -2.5)"
HEAVY = "x ~ StudentT(3, 0, 1) * Cauchy(2, 1)"
POSITIVE = "x ~ Gamma(2, 1) * LogNormal(0, 1)\ny ~ Beta(2, 3) * exp(x * y)"
SIMPLEX = "x : Real[3]\nx ~ Dirichlet([2, 3, 4]) * exp(-x[0])"
TOKENS = """y : Tokens[6]
y ~ Markov([0.5, 0.5], [[0.9, 0.1], [0.2, 0.8]]) * where(sum(y == 1) > 1)
y[0:3] ~ Categorical([0.3, 0.7])"""
SYMBOLS = "y : Tokens[5]\ny ~ Categorical([0.2, 0.3, 0.5]) * exp(sum(y))"
DIGITS = "x ~ digits(3) * exp(digit_score(3))"
OVERLAP = "x ~ digits(3)^0.6 * digits()^0.4"
NUMBERS = "x : Real[5]\nx ~ Normal(0, 1) * exp(-sum((x[1:] - x[:4])^2))"

#: Programs, each with options of runs of it.
PLANS: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "product": (
        PRODUCT,
        [
            {},
            {"path": "temper()"},
            {"path": "temper(ess = none)", "kernel": "random_walk()"},
            {
                "correct": "ais()",
                "kernel": "mala(steps = 2)",
                "resample": "stratified(when = always)",
            },
            {"move": "none()", "correct": "ais()", "kernel": "hmc()", "resample": "multinomial()"},
            {"move": "sde()", "correct": "fkc()", "kernel": "langevin()"},
            {"move": "sde(control = true)", "correct": "fkc(clip = 5)", "kernel": "none()"},
            {"islands": 4, "kernel": "barker(steps = 2)", "move": "none()", "correct": "ais()"},
            {"normalize_exponents": True},
        ],
    ),
    "correlated": (
        CORRELATED,
        [{"path": f"temper({base})"} for base in ("", "unbiased = true", "base = Normal(0, 3)")],
    ),
    "ring": (
        RING,
        [
            {},
            {"path": "temper()", "kernel": "hmc(leaps = 3)", "resample": "residual(when = always)"},
            {"path": "flow()", "kernel": "unadjusted_hmc()", "potential": "full()"},
            {"path": "flow()", "potential": "sum()", "resample": "tophalf(when = at(8, 4, 1))"},
            {"path": "flow()", "potential": "maximum()", "kernel": "mala()", "correct": "ais()"},
        ],
    ),
    "schools": (
        SCHOOLS,
        [{}, {"kernel": "mala()"}, {"kernel": "hmc(precondition = true)"}, {"islands": 2}],
    ),
    "regression": (REGRESSION, [{}, {"path": "temper(ess = 0.5)", "kernel": "barker()"}]),
    "mixture": (MIXTURE, [{}, {"kernel": "random_walk(correlation = 0.5)"}]),
    "heavy": (HEAVY, [{}, {"islands": 2}]),
    "positive": (POSITIVE, [{}, {"kernel": "mala(steps = 3, adapt = false)"}]),
    "simplex": (SIMPLEX, [{}]),
    "tokens": (TOKENS, [{}, {"kernel": "gibbs(steps = 2, block = 2)"}, {"resample": "none()"}]),
    "symbols": (SYMBOLS, [{}, {"potential": "full()"}]),
    "digits": (
        DIGITS,
        [
            {"steps": 10},
            {"steps": 10, "kernel": "langevin(steps = 2)", "correct": "fkc(clip = 5)"},
            {"steps": 5, "kernel": "mala(step_size = 0.1, line = 2)"},
        ],
    ),
    "overlap": (OVERLAP, [{"steps": 10}, {"steps": 10, "move": "ode()", "kernel": "none()"}]),
    "numbers": (NUMBERS, [{}, {"kernel": "hmc(leaps = 2, correlation = none)"}, {"keep": "all()"}]),
}


def digest(values: Iterable[Tensor]) -> str:
    found = hashlib.sha256()
    for value in values:
        found.update(value.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()[:16]


def digests() -> dict[str, dict[str, str]]:
    """What each plan gives: digests by what they are of."""
    every: dict[str, dict[str, str]] = {}
    for name, (text, runs) in PLANS.items():
        for options in runs:
            settings = (
                {"steps": 16, "particles": 64} if "steps" not in options else {"particles": 8}
            )
            settings |= options
            shown = ", ".join(f"{key} = {value}" for key, value in options.items())
            result = poedsl.compile(text).run(seed=7, **settings)
            every[f"{name}: {shown}"] = {
                "plan": result.plan.hash,
                "samples": digest(value for _, value in sorted(result.particles.items())),
                "weights": digest([result.log_weights]),
                "log_evidence": repr(result.evidence.value),
            }
    return every


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    choice = parser.add_mutually_exclusive_group(required=True)
    choice.add_argument("--record", type=Path, metavar="FILE", help="write the digests")
    choice.add_argument("--against", type=Path, metavar="FILE", help="compare with those of a file")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    now = digests()
    if arguments.record:
        arguments.record.write_text(json.dumps(now, indent=1) + "\n")
        print(f"{len(now)} plans recorded in {arguments.record}")
        return 0
    before = json.loads(arguments.against.read_text())
    changed = [name for name in before.keys() | now.keys() if before.get(name) != now.get(name)]
    for name in sorted(changed):
        old, new = before.get(name, {}), now.get(name, {})
        parts = [key for key in old.keys() | new.keys() if old.get(key) != new.get(key)]
        print(f"{name}: {', '.join(sorted(parts))}")
    print(f"{len(now) - len(changed)} of {len(now)} plans the same")
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main())
