"""Two crossing mixtures, known and learned (Zhang et al., Table 4): how methods compare at equal
numbers of evaluations, (K + 1)(T - 1) = 200.

    python benchmarks/table4.py [--seeds 8] [--learned-seeds 3] [--train-steps 10000]

Metrics are against exact draws of the product, the same for every method, beside those between two
sets of exact draws. Experts come as densities, as their exact scores alone, and as learned flows:
the last two run the same sampler in the same coordinates, so that what lies between them is the
error of the learned scores. The paper's mixtures have other widths, which it does not print: its
rows are here for their order.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import torch
from crossing import CENTRES, NARROW, WIDE, exact_draws, exact_log_evidence
from figures import parser, write
from learned_mixtures import learned_mixture, net
from metrics import all_metrics, mean_row, print_table
from torch import Tensor

import poedsl
from poedsl.experts.densities import Gaussians

COUNT = 2000
#: The same two experts as densities, as scores, and learned.
EXPERTS = {
    "densities": (
        "mixture(Normal([m, 0], [0.35, 2.2]) for m in linspace(-3.5, 3.5, 8))",
        "mixture(Normal([0, m], [2.2, 0.35]) for m in linspace(-3.5, 3.5, 8))",
    ),
    "exact scores": ("known_mixture(0)", "known_mixture(1)"),
    "learned": ("learned_mixture(0)", "learned_mixture(1)"),
}
#: Zhang et al., Table 4: W1, W2, MMD, TV, NLL.
PAPER = {
    "expert 1": (0.906, 1.033, 0.047, 0.709, 7.727),
    "expert 2": (0.883, 1.023, 0.045, 0.702, 8.197),
    "no annealing, step 0.1": (3.765, 4.005, 5.075, 0.999, 21.129),
    "no MCMC": (0.728, 0.909, 0.027, 0.604, 5.008),
    "ours, as in the paper": (0.580, 0.777, 0.018, 0.583, 4.517),
}
NAIVE: dict[str, Any] = {"move": "ode()", "correct": "none()", "resample": "none()"}
METHODS: dict[str, dict[str, Any]] = {
    "expert 1": {**NAIVE, "steps": 200, "kernel": "none"},
    "expert 2": {**NAIVE, "steps": 200, "kernel": "none"},
    "no MCMC": {**NAIVE, "steps": 200, "kernel": "none"},
    "ours, as in the paper": {**NAIVE, "steps": 25, "kernel": "langevin(steps = 7, size = 0.5)"},
    "ours, K = 3": {
        "steps": 50,
        "move": "sde()",
        "correct": "fkc()",
        "kernel": "langevin(steps = 3)",
    },
}
#: The compiler's own plan, with as many steps as make 200: K is 3 with densities, else 1.
PLANNED = {"densities": {"steps": 50}, "exact scores": {"steps": 100}, "learned": {"steps": 100}}
#: Variances of the Langevin steps without annealing; above 0.49 they are not stable.
SIZES = (0.02, 0.1, 0.4)


@functools.cache
def mixture(axis: int) -> Gaussians:
    """An expert in closed form."""
    means, scale = torch.zeros(8, 2), torch.full((2,), WIDE**0.5)
    means[:, axis], scale[axis] = torch.tensor(CENTRES), NARROW**0.5
    return Gaussians.mixture([1 / 8] * 8, [Gaussians.diagonal(m, scale) for m in means])


@poedsl.expert
class known_mixture:
    """The scores of a mixture along an axis, 0 or 1."""

    def __init__(self, axis: int) -> None:
        self.mixture = mixture(axis)

    def score(self, x: poedsl.Real[2], alpha: float, sigma: float) -> Tensor:
        return self.mixture.noised(x, alpha, sigma).score


def log_product(x: np.ndarray) -> np.ndarray:
    """Log density of the product, normalised."""
    points = torch.tensor(x, dtype=torch.float32)
    both = mixture(0).log_prob(points) + mixture(1).log_prob(points)
    return both.double().numpy() - exact_log_evidence()


def scores(kind: str, x: Tensor, alpha: float, sigma: float) -> Tensor:
    """Of the product of noised experts."""
    if kind != "learned":
        return sum((mixture(k).noised(x, alpha, sigma).score for k in (0, 1)), 0 * x)
    s = torch.full((len(x),), sigma / (alpha + sigma))
    z, label = x / (alpha + sigma), torch.zeros(len(x), dtype=torch.long)
    noise = sum((z + (1 - s[:, None]) * net(k)(z, s, label) for k in (0, 1)), 0 * x)
    return -noise / sigma


def sampled(plan: poedsl.Plan, options: dict[str, Any], seed: int) -> np.ndarray:
    result = plan.run(seed=seed, particles=COUNT, **options)
    return result.sample(COUNT)["x"].double().numpy()


def unannealed(kind: str, seed: int, size: float, steps: int = 200) -> np.ndarray:
    """Langevin steps on the product at the data alone, from N(0, I); learned scores at their least
    noise.
    """
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(COUNT, 2, generator=generator)
    sigma = 0.05 if kind == "learned" else 0.0
    with torch.no_grad():
        for _ in range(steps):
            drift = 0.5 * size * scores(kind, x, math.sqrt(1 - sigma**2), sigma)
            x = x + drift + math.sqrt(size) * torch.randn(x.shape, generator=generator)
    return x.double().numpy()


def score_errors() -> list[dict[str, float]]:
    """Root mean squares of the product's score, and of what the learned one is off, along a run
    with exact scores.
    """
    plan = poedsl.compile(program("exact scores"))
    out = []
    for view in plan.stream(seed=0, particles=COUNT, **METHODS["ours, K = 3"]):
        alpha, x = math.sqrt(view.record.beta), view.particles["x"]
        sigma = math.sqrt(1 - alpha**2)
        if view.record.t == 1 or (view.record.t - 2) % 7:
            continue
        with torch.no_grad():
            true = scores("exact scores", x, alpha, sigma)
            error = scores("learned", x, alpha, sigma) - true
        rms = [float(v.square().sum(1).mean().sqrt()) for v in (true, error)]
        out.append({"sigma": sigma, "score": rms[0], "error": rms[1]})
    return out


def program(kind: str, expert: int | None = None) -> str:
    """The product, or one of its experts."""
    factors = EXPERTS[kind] if expert is None else EXPERTS[kind][expert : expert + 1]
    return f"x : Real[2]\nx ~ {' * '.join(factors)}"


def table(kind: str, seeds: int) -> dict[str, dict[str, list[float]]]:
    alone = {"expert 1": 0, "expert 2": 1}
    rows = {}
    exact = [exact_draws(np.random.default_rng(seed)) for seed in range(seeds)]
    others = [exact_draws(np.random.default_rng(1000 + seed)) for seed in range(seeds)]
    samples = {"exact draws": others}
    for name, options in {**METHODS, "ours, as planned": PLANNED[kind]}.items():
        plan = poedsl.compile(program(kind, alone.get(name)))
        samples[name] = [sampled(plan, options, seed) for seed in range(seeds)]
    for size in SIZES[1:2] if kind == "learned" else SIZES:
        name = f"no annealing, step {size:g}"
        samples[name] = [unannealed(kind, seed, size) for seed in range(seeds)]
    for name, found in samples.items():
        pairs = zip(found, exact, strict=True)
        rows[name] = mean_row([all_metrics(x, truth, log_product) for x, truth in pairs])
    return rows


def main() -> None:
    arguments = parser(__doc__, "table4", seeds=8)
    arguments.add_argument("--learned-seeds", type=int, default=3, help="0: no learned experts")
    arguments.add_argument("--train-steps", type=int, default=10_000, help="where untrained")
    args = arguments.parse_args()
    torch.set_num_threads(1)
    seeds = 1 if args.quick else args.seeds
    learned = min(args.learned_seeds, seeds)
    runs = {"densities": seeds, "exact scores": seeds}
    if learned:
        for axis in (0, 1):
            net(axis, args.train_steps)
        assert learned_mixture
        runs["learned"] = learned
    entropy = -float(np.mean(log_product(exact_draws(np.random.default_rng(2), 1_000_000))))
    print(f"{COUNT} particles, 200 evaluations; the product's own NLL is {entropy:.4f}")
    tables = {}
    for kind, count in runs.items():
        tables[kind] = table(kind, count)
        print(f"\n{kind}, {count} seeds")
        print_table(tables[kind], PAPER)
    errors = score_errors() if learned else []
    if errors:
        print("\nroot mean squares along a run with exact scores")
        print(f"{'sigma':>8}{'score':>10}{'error':>10}{'ratio':>8}")
    for row in errors:
        ratio = row["error"] / row["score"]
        print(f"{row['sigma']:>8.3f}{row['score']:>10.3f}{row['error']:>10.3f}{ratio:>8.3f}")
    figures = {"seeds": runs, "entropy": entropy, "paper": PAPER, "tables": tables}
    write(args, **figures, score_errors=errors)


if __name__ == "__main__":
    main()
