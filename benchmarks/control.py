"""What a control drift does to the weights of a run, and what a line integral does to Metropolis.

    python benchmarks/control.py [--seeds 10] [--quick] [--out benchmarks/results/control.json]

First table: products whose experts give scores alone (densities hidden; digits are learned),
sampled by `fkc()` without a kernel and without resampling, so that the variance of the log-weights
is due to the path alone. Exact values are closed forms, of mixtures by their parts. Second table:
a product of two modes, by `mala(line = n)` on hidden densities, against its closed form. Third: the
mean of Z-hat / Z over many runs of few particles.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

import torch
from formulas import as_if_learned
from torch import Tensor

import poedsl

OUT = Path(__file__).parent / "results" / "control.json"
MOVES = ("sde()", "sde(control = true)", "ode()", "ode(control = true)")
#: A mixture as weights, means and variances of each component; one is a Gaussian.
Parts = list[tuple[float, list[float], list[float]]]
MODES: Parts = [(0.3, [-2.0], [0.25]), (0.7, [1.0], [1.0])]


@dataclass(frozen=True)
class Case:
    """A program, and the product in closed form: mixtures to the power 1, or Gaussians to any."""

    name: str
    program: str
    factors: list[tuple[Parts, float]]

    def exact(self) -> tuple[float, Tensor, Tensor]:
        """Log evidence, mean and variance of each component."""
        logs, means, variances = [], [], []
        for chosen in product(*(parts for parts, _ in self.factors)):
            powers = torch.tensor([[w] for _, w in self.factors]).double()
            m = torch.tensor([c[1] for c in chosen]).double()
            v = torch.tensor([c[2] for c in chosen]).double()
            precision = (powers / v).sum(0)
            centre = (powers * m / v).sum(0) / precision
            log = -0.5 * powers * ((2 * math.pi * v).log() + (centre - m).square() / v)
            log = log.sum() + 0.5 * (2 * math.pi / precision).log().sum()
            logs.append(
                log
                + sum(w * math.log(c[0]) for c, (_, w) in zip(chosen, self.factors, strict=True))
            )
            means.append(centre)
            variances.append(1 / precision)
        total = torch.stack(logs).logsumexp(0)
        share = (torch.stack(logs) - total).exp()[:, None]
        mean = (share * torch.stack(means)).sum(0)
        second = (share * (torch.stack(variances) + torch.stack(means).square())).sum(0)
        return float(total), mean, second - mean.square()


def one(mean: list[float], variance: list[float]) -> Parts:
    return [(1.0, mean, variance)]


CASES = (
    Case(
        "base-composed, base 1.1",
        "x : Real[2]\nx ~ Normal([0, 0], [10^0.5, 1]) * Normal([0, 0], [1, 10^0.5])"
        " / Normal(0, 1.1^0.5)",
        [
            (one([0, 0], [10, 1]), 1),
            (one([0, 0], [1, 10]), 1),
            (one([0, 0], [1.1, 1.1]), -1),
        ],
    ),
    Case(
        "N(0, 1) N(1, 1), 20 components",
        "x : Real[20]\nx ~ Normal(0, 1) * Normal(1, 1)",
        [(one([0.0] * 20, [1.0] * 20), 1), (one([1.0] * 20, [1.0] * 20), 1)],
    ),
    Case(
        "two modes times a Gaussian",
        "x ~ mixture(0.3: Normal(-2, 0.5), 0.7: Normal(1, 1)) * Normal(1, 1.5)",
        [(MODES, 1), (one([1.0], [2.25]), 1)],
    ),
    Case(
        "two modes in 10 components, times a Gaussian",
        "x : Real[10]\nx ~ mixture(0.3: Normal(-1, 0.5), 0.7: Normal(1, 1)) * Normal(0, 1.5)",
        [
            ([(0.3, [-1.0] * 10, [0.25] * 10), (0.7, [1.0] * 10, [1.0] * 10)], 1),
            (one([0.0] * 10, [2.25] * 10), 1),
        ],
    ),
    Case("digits, 3^0.5 5^0.5 (learned)", "x ~ digits(3)^0.5 * digits(5)^0.5", []),
)


@dataclass(frozen=True)
class Row:
    """Means over seeds, errors as mean and standard error of the mean; the run's time beside.

    Attributes:
        known: whether densities, and divergences of scores, are there to be seen.
        weight_variance: of the log-weights at the end.
        stage_variance: the mean over stages of its increase.
        ess: share of the population.
        log_z: error of the log evidence; None without a closed form.
        mean: largest error of a component's mean in its standard deviations.
        variance: relative error of the variance, mean over components.
    """

    case: str
    kernel: str
    move: str
    known: bool
    moves: int
    particles: int
    weight_variance: float
    stage_variance: float
    ess: float
    log_z: tuple[float, float] | None
    mean: float | None
    variance: float | None
    seconds: float


def finished(plan: poedsl.Plan, seed: int, known: bool) -> poedsl.Result:
    """A run, all densities hidden if they are not to be known."""
    return plan.run(seed=seed) if known else as_if_learned(plan, seed)


def measure(
    case: Case, kernel: str, move: str, moves: int, particles: int, seeds: int, known: bool = False
) -> Row:
    plan = poedsl.compile(case.program).with_options(
        particles=particles, steps=moves, move=move, kernel=kernel, correct="fkc()",
        resample="none" if kernel == "none" else "systematic()",
    )  # fmt: skip
    start = time.perf_counter()
    results = [finished(plan, seed, known) for seed in range(seeds)]
    seconds = (time.perf_counter() - start) / seeds
    ends = torch.tensor([[s.weight_variance for s in r.stages] for r in results]).mean(0)
    ess = sum(r.stages[-1].ess for r in results) / seeds / particles
    log_z, mean, variance = None, None, None
    if case.factors:
        truth, centre, spread = case.exact()
        errors = torch.tensor([float(r.log_evidence or math.nan) - truth for r in results])
        log_z = float(errors.mean()), float(errors.std() / math.sqrt(seeds))
        found = [moments(r) for r in results]
        off = torch.stack([m for m, _ in found]).mean(0) - centre
        mean = float((off / spread.sqrt()).abs().max())
        variance = float((torch.stack([v for _, v in found]).mean(0) / spread - 1).mean())
    return Row(
        case.name, kernel, move, known, moves, particles, float(ends[-1]),
        float(ends.diff().mean()), ess, log_z, mean, variance, seconds,
    )  # fmt: skip


def moments(result: poedsl.Result) -> tuple[Tensor, Tensor]:
    weights = result.log_weights.exp().double()
    x = result.particles["x"].double().reshape(len(weights), -1)
    mean = weights @ x
    return mean, weights @ (x - mean).square()


def controls(seeds: int, quick: bool) -> Iterator[Row]:
    for case in CASES:
        learned = not case.factors
        for moves in (50,) if quick or learned else (50, 200):
            for move in MOVES[:2] if learned else MOVES:
                particles = 32 if learned else 1000
                yield measure(case, "none", move, moves, particles, 3 if learned else seeds)


def knowing(seeds: int) -> Iterator[Row]:
    """What the noise of estimated divergences costs where it is highest."""
    for known in (False, True):
        yield measure(CASES[3], "none", "sde(control = true)", 50, 1000, seeds, known)


@dataclass(frozen=True)
class Ratio:
    """Z-hat / Z: its mean over runs, the standard error of that, and its spread."""

    move: str
    particles: int
    runs: int
    mean: float
    error: float
    spread: float


def small(runs: int) -> Iterator[Ratio]:
    case = CASES[2]
    truth, _, _ = case.exact()
    for particles, move in product((8, 32), MOVES[:2]):
        plan = poedsl.compile(case.program).with_options(
            particles=particles, steps=50, move=move, kernel="none", correct="fkc()",
            resample="none",
        )  # fmt: skip
        found = (finished(plan, seed, known=True).log_evidence for seed in range(runs))
        ratio = torch.tensor([math.exp((z or math.nan) - truth) for z in found])
        spread = float(ratio.std())
        yield Ratio(move, particles, runs, float(ratio.mean()), spread / math.sqrt(runs), spread)


def lines(seeds: int, quick: bool) -> Iterator[Row]:
    case = Case(
        "two modes times N(0, 2)",
        "x ~ mixture(0.3: Normal(-2, 0.5), 0.7: Normal(1, 1)) * Normal(0, 2)",
        [(MODES, 1), (one([0.0], [4.0]), 1)],
    )
    for nodes in (1, 4, 8) if quick else (1, 2, 3, 4, 6, 8):
        yield measure(case, f"mala(line = {nodes})", "sde()", 60, 2000 if quick else 8000, seeds)


def shown(row: Row, name: str) -> str:
    out = f"{name:<46}{row.moves:>6}{row.weight_variance:>10.2g}{row.stage_variance:>10.2g}"
    out += f"{100 * row.ess:>7.1f}"
    if row.log_z is not None:
        out += f"{row.log_z[0]:>9.4f} +- {row.log_z[1]:.4f}{row.mean:>8.3f}{row.variance:>9.3f}"
    else:
        out += " " * 35
    return f"{out}{row.seconds:>8.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--quick", action="store_true", help="fewer settings, three seeds")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    torch.set_num_threads(1)
    seeds = 3 if args.quick else args.seeds
    head = f"{'moves':>6}{'var log w':>10}{'a stage':>10}{'ESS, %':>7}"
    head += f"{'log Z error':>19}{'mean':>8}{'variance':>9}{'s a run':>8}"
    rows, name = [], ""
    print(f"{'':<46}{head}")
    for row in controls(seeds, args.quick):
        if row.case != name:
            name = row.case
            print(f"{name}, {row.particles} particles")
        print(shown(row, f"    {row.move}"), flush=True)
        rows.append(row)
    print("\ntwo modes times N(0, 2), sde() and fkc()")
    for row in lines(seeds, args.quick):
        print(shown(row, f"    {row.kernel}"), flush=True)
        rows.append(row)
    print(f"\n{CASES[3].name}, divergences estimated and known")
    for row in knowing(seeds):
        print(shown(row, f"    {row.move}, {'known' if row.known else 'estimated'}"), flush=True)
        rows.append(row)
    print(f"\n{CASES[2].name}: mean of Z-hat / Z")
    ratios = list(small(30 if args.quick else 300))
    for r in ratios:
        print(f"    {r.move:<22}{r.particles:>4} particles{r.mean:>9.4f} +- {r.error:.4f}")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    data = {
        "seeds": seeds,
        "rows": [asdict(row) for row in rows],
        "ratios": [asdict(ratio) for ratio in ratios],
    }
    args.out.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
