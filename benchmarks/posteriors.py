"""Posteriors of ten kinds under the default plan: log Z against its exact value, and its error.

    python benchmarks/posteriors.py [--seeds 200]

Exact values are by quadrature or a closed form. The columns are the mean and the root mean square
error of log Z, the mean standard error, how often the 95 % interval holds, and how often the
verdict is `reliable`.
"""

from __future__ import annotations

import math
import time

import torch
from figures import parser, write
from torch import Tensor

import poedsl
from poedsl.runtime.results.verdict import Verdict

OFFSETS = [2.8, 0.8, -0.3, 0.7, -0.1, 0.1, 1.8, 1.2]
Y = [4.1, 5.2, 3.3, 4.8, 5.9, 4.4, 3.6, 5.0, 4.7, 5.5]


def log_normal(x: Tensor, mean: float, scale: float) -> Tensor:
    return -0.5 * ((x - mean) / scale) ** 2 - math.log(scale) - 0.5 * math.log(2 * math.pi)


def cells(low: float, high: float, count: int) -> tuple[Tensor, float]:
    """Midpoints of cells, and log of their width."""
    width = (high - low) / count
    return low + width * (torch.arange(count, dtype=torch.float64) + 0.5), math.log(width)


def logistic() -> float:
    b, width = cells(-4, 3, 70_000)
    logs = log_normal(b, 0, 2.5) + 30 * b - 100 * torch.nn.functional.softplus(b)
    return float(logs.logsumexp(0)) + width


def constant() -> float:
    """Closed form: two independent components."""
    spread = 100 + 0.01
    return math.log(0.01) - math.log(spread) - 1 / spread - 500


def mean_and_scale() -> float:
    (mu, across), (u, along) = cells(-5, 15, 2000), cells(-2, 4, 1500)
    mu, u = mu[:, None], u[None]
    s = u.exp()
    likelihood = sum(log_normal((y - mu) / s, 0, 1) for y in Y) - 10 * u
    prior = log_normal(mu, 0, 100) + math.log(2) + log_normal(s, 0, 100) + u
    return float((likelihood + prior).flatten().logsumexp(0)) + across + along


def edge() -> float:
    x, width = cells(-0.5, 7.5, 2000)
    a, b = x[:, None], x[None]
    logs = 2 * log_normal(a, 0.3, 1.05) + 2 * log_normal(b, -2.24, 0.98)
    logs = logs + log_normal(a, 0, 3) + log_normal(b, 0, 3) - 0.86 * a * b - 0.1 * (a**4 + b**4)
    return float(logs.flatten().logsumexp(0)) + 2 * width


def ring() -> float:
    r, width = cells(0, 8, 80_000)
    logs = r.log() - 0.5 * r.square() - 8 * (r - 1.5).square()
    return float(logs.logsumexp(0)) + width - math.log(2)


def selected() -> float:
    """Closed form: what a condition leaves of each part of a mixture."""
    left = 0.7 * math.erfc(2 * math.sqrt(2)) / 2 + 0.3 * (1 - math.erfc(3 * math.sqrt(2)) / 2)
    return math.log(left)


def hierarchy() -> float:
    """Closed form given tau, which quadrature integrates."""
    tau, width = cells(0, 12, 200_000)
    variance = tau.square() + 1
    logs = math.log(2) + log_normal(tau, 0, 1)
    logs = logs - 0.5 * len(OFFSETS) * (2 * math.pi * variance).log()
    logs = logs - 0.5 * sum(y**2 for y in OFFSETS) / variance
    return float(logs.logsumexp(0)) + width


def chain() -> float:
    """Closed form: a Gaussian with correlated neighbours."""
    differences = torch.eye(20, dtype=torch.float64).diff(dim=0)
    precision = torch.eye(20, dtype=torch.float64) + 20 * differences.T @ differences
    return -0.5 * float(precision.logdet())


def heavy() -> float:
    u, width = cells(-1.57079, 1.57079, 400_000)
    x = u.tan()
    logs = -(math.pi * (1 + x.square())).log() + (1 + x.square()).log()
    student = math.lgamma(2) - math.lgamma(1.5) - 0.5 * math.log(3 * math.pi)
    logs = logs + student - 2 * (1 + (x - 6).square() / 3).log()
    return float(logs.logsumexp(0)) + width


@poedsl.reward
def ripples(x: poedsl.Real) -> Tensor:
    """A black box: its gradient is not known."""
    return 2 * (3 * x).cos()


def black_box() -> float:
    x, width = cells(-9, 9, 40_000)
    return float((log_normal(x, 0, 1) + 2 * (3 * x).cos()).logsumexp(0)) + width


PROGRAMS = {
    "30 of 100 successes, logit scale": (
        "b ~ Normal(0, 2.5)\nb ~ exp(30 * b - 100 * softplus(b))",
        logistic,
    ),
    "exp(-50 |b - 1|^2 - 500) under Normal(0, 10)": (
        "b : Real[2]\nb ~ Normal(0, 10) * exp(-50 * sum((b - 1)^2) - 500)",
        constant,
    ),
    "mean and scale of ten numbers, priors 100 wide": (
        "mu ~ Normal(0, 100)\ns ~ HalfNormal(100)\n"
        f"mu ~ exp(-0.5 * sum(((mu - {Y}) / s)^2) - 10 * log(s) - 5 * log({2 * math.pi}))",
        mean_and_scale,
    ),
    "a corner of a quartic, `where(all(x > -0.5))`": (
        "x : Real[2]\nx ~ Normal([0.3, -2.24], [1.05, 0.98])^2 * Normal(0, 3) "
        "* exp(-0.86 * x[0] * x[1] - 0.1 * sum(x^4)) * where(all(x > -0.5))",
        edge,
    ),
    "half a ring": (
        "x : Real[2]\nx ~ Normal(0, 1) * exp(-8 * (norm(x) - 1.5)^2) * where(x[0] > 0)",
        ring,
    ),
    "the smaller part of a mixture, `where(x > 0)`": (
        "x ~ mixture(0.7: Normal(-2, 0.5), 0.3: Normal(3, 0.5)) * where(x > 0)",
        selected,
    ),
    "eight effects with unknown scale": (
        "tau ~ HalfNormal(1)\ntheta : Real[8]\ntheta ~ Normal(0, tau)\n"
        f"theta ~ exp(-0.5 * sum((theta - {OFFSETS})^2) - 4 * log({2 * math.pi}))",
        hierarchy,
    ),
    "20 components with correlated neighbours": (
        "x : Real[20]\nx ~ Normal(0, 1) * exp(-10 * sum((x[1:] - x[:19])^2))",
        chain,
    ),
    "a Cauchy and a Student t distribution, apart": (
        "x ~ Cauchy(0, 1) * StudentT(3, 6, 1)",
        heavy,
    ),
    "a black-box reward, 2 cos(3 x)": ("x ~ Normal(0, 1) * exp(ripples())", black_box),
}


def main() -> None:
    torch.set_num_threads(1)
    args = parser(__doc__, "posteriors", 200).parse_args()
    seeds = 2 if args.quick else args.seeds
    rows = []
    print("| program | mean error | RMSE | reported SE | 95 % interval | reliable | NFE | s |")
    print("|---|---|---|---|---|---|---|---|")
    for name, (text, exact) in PROGRAMS.items():
        plan, truth, clock = poedsl.compile(text), exact(), time.perf_counter()
        runs = [plan.run(seed=1000 + seed) for seed in range(seeds)]
        seconds = (time.perf_counter() - clock) / seeds
        off = torch.tensor([r.log_evidence for r in runs], dtype=torch.float64) - truth
        error = torch.tensor([r.log_evidence_se or math.nan for r in runs], dtype=torch.float64)
        row = {
            "program": name,
            "mean": float(off.mean()),
            "rmse": float(off.square().mean().sqrt()),
            "reported": float(error.nanmean()),
            "holds": float((off.abs() < 1.96 * error).double().mean()),
            "reliable": sum(r.verdict is Verdict.RELIABLE for r in runs) / seeds,
            "nfe": sum(r.nfe for r in runs) / seeds,
            "seconds": seconds,
        }
        rows.append(row)
        print(
            f"| {name} | {row['mean']:+.3f} | {row['rmse']:.3f} | {row['reported']:.3f} | "
            f"{100 * row['holds']:.0f} % | {100 * row['reliable']:.0f} % | {row['nfe']:.0f} | "
            f"{seconds:.2f} |",
            flush=True,
        )
    write(args, rows=rows)


if __name__ == "__main__":
    main()
