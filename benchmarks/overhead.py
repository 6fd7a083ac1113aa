"""The engine's own cost: a run's time over that of the bare expert calls it makes, same batches,
same count.

    python benchmarks/overhead.py [--repeats 15]

Prints one row for a two-dimensional toy, where everything around the experts shows, and one for a
network of about ten milliseconds a call. Runs and bare calls take turns in one process; the
medians of both and of the ratios of each turn are reported.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, replace
from statistics import median

import torch
from torch import Tensor

import poedsl
from poedsl.experts.protocol import Generative, Noised
from poedsl.runtime.run import Run

TOY = """
let c = linspace(-3.5, 3.5, 8)
x : Real[2]
x ~ mixture(Normal([m, 0], [0.35, 2.2]) for m in c) * mixture(Normal([0, m], [2.2, 0.35]) for m in
c)
"""
NETWORK = "x ~ digits()"


@dataclass
class Recorded:
    """An expert that keeps the calls made to it."""

    expert: Generative
    calls: list[tuple[Tensor, float, float]]

    @property
    def has_density(self) -> bool:
        return self.expert.has_density

    @property
    def terminal(self) -> bool:
        return self.expert.terminal

    @property
    def calls_per_evaluation(self) -> int:
        return self.expert.calls_per_evaluation

    @property
    def inference_mode(self) -> bool:
        return self.expert.inference_mode

    def endpoint_precision(self, alpha: float, sigma: float) -> Tensor | float:
        return self.expert.endpoint_precision(alpha, sigma)

    def noised(self, x: Tensor, alpha: float, sigma: float) -> Noised:
        self.calls.append((x.clone(), alpha, sigma))
        return self.expert.noised(x, alpha, sigma)


def calls_of(plan: poedsl.Plan) -> list[tuple[Generative, Tensor, float, float]]:
    """Every call of every expert that a run makes."""
    job = Run(plan.bound().spec)
    recorded = [Recorded(a.expert, []) for a in job.target.experts]
    # Targets are frozen; the run holds this one in several places.
    experts = zip(job.target.experts, recorded, strict=True)
    object.__setattr__(job.target, "experts", tuple(replace(a, expert=r) for a, r in experts))
    for _ in job.stages():
        pass
    return [(r.expert, *call) for r in recorded for call in r.calls]


def seconds_of_run(plan: poedsl.Plan) -> float:
    job = Run(plan.bound().spec)
    start = time.perf_counter()
    for _ in job.stages():
        pass
    return time.perf_counter() - start


def seconds_of_calls(calls: list[tuple[Generative, Tensor, float, float]]) -> float:
    with torch.no_grad():
        start = time.perf_counter()
        for expert, x, alpha, sigma in calls:
            expert.noised(x, alpha, sigma)
        return time.perf_counter() - start


def measure(program: str, particles: int, repeats: int) -> dict[str, float]:
    plan = poedsl.compile(program).with_options(particles=particles)
    calls = calls_of(plan)
    pairs = [(seconds_of_run(plan), seconds_of_calls(calls)) for _ in range(repeats)]
    run, bare = (median(times) for times in zip(*pairs, strict=True))
    return {
        "particles": particles,
        "calls": len(calls),
        "call_ms": 1000 * bare / len(calls),
        "run_s": run,
        "bare_s": bare,
        "ratio": median(r / b for r, b in pairs),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = {
        "toy, 2-D mixtures": measure(TOY, 2000, args.repeats),
        "network, 10 ms": measure(NETWORK, 36, args.repeats),
    }
    if args.json:
        print(json.dumps(rows, indent=1))
        return
    print(
        f"{'':<20}{'particles':>10}{'calls':>8}{'call, ms':>10}"
        f"{'run, s':>9}{'bare, s':>9}{'ratio':>8}"
    )
    for name, r in rows.items():
        print(
            f"{name:<20}{r['particles']:>10}{r['calls']:>8}{r['call_ms']:>10.2f}"
            f"{r['run_s']:>9.3f}{r['bare_s']:>9.3f}{r['ratio']:>8.2f}"
        )


if __name__ == "__main__":
    main()
