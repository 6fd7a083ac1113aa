"""Two crossing mixtures, analytic and learned (Zhang et al., Table 4): how methods compare at equal
numbers of evaluations, (K + 1)(T - 1) = 200.

    python benchmarks/table4.py [--seeds 5]

Metrics are against exact draws of the product, beside those between two sets of exact draws. The
paper's mixtures have other widths, which it does not print: its row is here for its shape.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import learned_mixtures
import numpy as np
import torch
from crossing import CENTRES, NARROW, WIDE, exact_draws
from formulas import ScoreOnly
from metrics import all_metrics, mean_row, print_table
from results import parser, write
from torch import Tensor

import poedsl
from poedsl.experts.protocol import Generative
from poedsl.runtime.run import Run

COUNT = 2000
ANALYTIC = """
let c = linspace(-3.5, 3.5, 8)
x : Real[2]
x ~ {}
"""
ONE = "mixture(Normal([m, 0], [0.35, 2.2]) for m in c)"
TWO = "mixture(Normal([0, m], [2.2, 0.35]) for m in c)"
LEARNED = "x : Real[2]\nx ~ {}"
#: Zhang et al., Table 4: W1, W2, MMD, TV, NLL.
PAPER = {
    "expert 1": (0.906, 1.033, 0.047, 0.709, 7.727),
    "expert 2": (0.883, 1.023, 0.045, 0.702, 8.197),
    "no annealing": (3.765, 4.005, 5.075, 0.999, 21.129),
    "no MCMC": (0.728, 0.909, 0.027, 0.604, 5.008),
    "ours, as in the paper": (0.580, 0.777, 0.018, 0.583, 4.517),
}
#: Options of methods, by their rows; None where there is no product.
NAIVE: dict[str, Any] = {"move": "ode()", "correct": "none()", "resample": "none()"}
METHODS: dict[str, dict[str, Any]] = {
    "expert 1": {**NAIVE, "steps": 200, "kernel": "none"},
    "expert 2": {**NAIVE, "steps": 200, "kernel": "none"},
    "no MCMC": {**NAIVE, "steps": 200, "kernel": "none"},
    "ours, as in the paper": {**NAIVE, "steps": 25, "kernel": "langevin(steps = 7, size = 0.5)"},
    "ours, weighted": {
        "steps": 50,
        "move": "sde()",
        "correct": "fkc()",
        "kernel": "langevin(steps = 3)",
    },
    "ours, as planned": {"steps": 48},
}


def log_product(x: np.ndarray) -> np.ndarray:
    """Log density of the product, normalised."""
    from crossing import exact_log_evidence

    def mixture(own: np.ndarray, other: np.ndarray) -> np.ndarray:
        each = -0.5 * ((own[:, None] - CENTRES) ** 2 / NARROW + other[:, None] ** 2 / WIDE)
        return np.logaddexp.reduce(each, 1) - math.log(8 * 2 * math.pi * math.sqrt(NARROW * WIDE))

    total: np.ndarray = mixture(x[:, 0], x[:, 1]) + mixture(x[:, 1], x[:, 0])
    return total - exact_log_evidence()


def sampled(plan: poedsl.Plan, options: dict[str, Any], seed: int, hidden: bool) -> np.ndarray:
    """Draws of a run; with densities hidden, as if analytic experts were learned."""
    job = Run(plan.with_options(particles=COUNT, **options).bound().spec, seed)
    if hidden:
        anchors = job.target.anchors
        job.target.anchors = tuple(replace(a, expert=ScoreOnly(a.expert)) for a in anchors)
    for _ in job.stages():
        pass
    return job.result().sample(COUNT)["x"].double().numpy()


def unannealed(
    experts: list[Generative], seed: int, alpha: float, size: float, steps: int = 200
) -> np.ndarray:
    """Langevin steps on the product at the data alone, from N(0, 9 I)."""
    generator = torch.Generator().manual_seed(seed)
    x = 3 * torch.randn(COUNT, 2, generator=generator)
    sigma = math.sqrt(1 - alpha**2)
    with torch.no_grad():
        for _ in range(steps):
            score: Tensor = sum((e.noised(x, alpha, sigma).score for e in experts), 0 * x)
            x = x + 0.5 * size * score + math.sqrt(size) * torch.randn(x.shape, generator=generator)
    return x.double().numpy()


def experts(plan: poedsl.Plan) -> list[Generative]:
    return [a.expert for a in Run(plan.with_options(particles=1).bound().spec).target.anchors]


def score_errors(analytic: list[Generative], learned: list[Generative]) -> list[list[float]]:
    """Relative error of the learned scores at noised draws of the product, by noise level."""
    x1 = torch.tensor(exact_draws(np.random.default_rng(7)), dtype=torch.float32)
    noise = torch.randn(x1.shape, generator=torch.Generator().manual_seed(7))
    out = []
    for sigma in (0.9, 0.6, 0.3, 0.1, 0.05):
        alpha = math.sqrt(1 - sigma**2)
        x = alpha * x1 + sigma * noise
        with torch.no_grad():
            true = sum((e.noised(x, alpha, sigma).score for e in analytic), 0 * x)
            found = sum((e.noised(x, alpha, sigma).score for e in learned), 0 * x)
        error = (found - true).square().sum(1).mean() / true.square().sum(1).mean()
        out.append([sigma, float(error.sqrt())])
    return out


def table(
    template: str,
    one: str,
    two: str,
    seeds: int,
    *,
    hidden: bool,
    methods: dict[str, dict[str, Any]],
) -> dict[str, dict[str, list[float]]]:
    product = poedsl.compile(template.format(f"{one} * {two}"))
    alone = {"expert 1": one, "expert 2": two}
    rows: dict[str, dict[str, list[float]]] = {}
    rng = np.random.default_rng(0)
    for name, options in methods.items():
        plan = poedsl.compile(template.format(alone[name])) if name in alone else product
        found = [sampled(plan, options, seed, hidden) for seed in range(seeds)]
        rows[name] = mean_row([all_metrics(x, exact_draws(rng), log_product) for x in found])
    if hidden:
        return rows
    both = experts(product)
    alpha = 1.0 if both[0].terminal else math.sqrt(1 - 0.05**2)
    tried = [
        mean_row(
            [
                all_metrics(unannealed(both, s, alpha, size), exact_draws(rng), log_product)
                for s in range(seeds)
            ]
        )
        for size in (0.02, 0.05, 0.1)
    ]
    rows["no annealing"] = min(tried, key=lambda row: row["W1"][0])
    return rows


def main() -> None:
    arguments = parser(__doc__, "table4", seeds=5)
    arguments.add_argument("--analytic", action="store_true", help="without the learned experts")
    args = arguments.parse_args()
    torch.set_num_threads(1)
    seeds = 1 if args.quick else args.seeds
    rng = np.random.default_rng(1)
    floor = {
        "exact draws": mean_row(
            [all_metrics(exact_draws(rng), exact_draws(rng), log_product) for _ in range(2 * seeds)]
        )
    }
    tables = {"analytic": floor | table(ANALYTIC, ONE, TWO, seeds, hidden=False, methods=METHODS)}
    weighted = "ours, weighted"
    planned = {k: v for k, v in METHODS.items() if k != "ours, as planned"}
    tables["analytic, from scores alone"] = floor | table(
        ANALYTIC, ONE, TWO, seeds, hidden=True, methods={weighted: METHODS[weighted]}
    )
    errors: list[list[float]] = []
    if not args.analytic:
        one, two = "learned_mixture(0)", "learned_mixture(1)"
        tables["learned"] = floor | table(LEARNED, one, two, seeds, hidden=False, methods=planned)
        analytic = experts(poedsl.compile(ANALYTIC.format(f"{ONE} * {TWO}")))
        errors = score_errors(analytic, experts(poedsl.compile(LEARNED.format(f"{one} * {two}"))))
    for title, rows in tables.items():
        print(f"\n{title}, {COUNT} particles, 200 evaluations, {seeds} seeds")
        print_table(rows, PAPER)
    if errors:
        print("\nrelative error of the learned product's score, by sigma")
        print("  ".join(f"{sigma:g}: {error:.3f}" for sigma, error in errors))
    write(args.out, {"seeds": seeds, "paper": PAPER, "tables": tables, "score_errors": errors})


if __name__ == "__main__":
    assert learned_mixtures
    main()
