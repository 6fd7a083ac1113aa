"""Two crossing mixtures, known and learned (Zhang et al., Table 4): how methods compare at equal
numbers of evaluations, (K + 1)(T - 1) = 200.

    python benchmarks/table4.py [--seeds 8] [--learned-seeds 3] [--train-steps 10000]

Metrics are against exact draws of the product, the same for every method, beside those between two
sets of exact draws. Experts come as densities, as their exact scores alone, and as learned flows:
the last two run the same sampler in the same coordinates, so that what lies between them is the
error of the learned scores. The paper's mixtures have other widths, which it does not print: its
rows are here for their order. Of the two boards here one is that of `crossing`, whose parts
overlap, and the other has narrow ones, with next to nothing between them.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import torch
from crossing import CENTRES, WIDE, exact_draws, exact_log_evidence
from figures import parser, write
from learned_mixtures import learned_mixture, net
from metrics import all_metrics, mean_row, print_table
from torch import Tensor

import poedsl
from poedsl.experts.densities.gaussian_mixtures import Gaussians
from poedsl.runtime.build.prepare import prepare
from poedsl.runtime.core.run_settings import RunSettings

COUNT = 2000
#: Standard deviations of the boards' parts, which stand one apart.
BOARDS = {"overlapping": 0.35, "sharp": 0.1}
#: The same two experts as densities, as scores, and learned.
EXPERTS = {
    "densities": (
        "mixture(Normal([m, 0], [{0}, 2.2]) for m in linspace(-3.5, 3.5, 8))",
        "mixture(Normal([0, m], [2.2, {0}]) for m in linspace(-3.5, 3.5, 8))",
    ),
    "exact scores": ("known_mixture(0, {0})", "known_mixture(1, {0})"),
    "learned": ("learned_mixture(0, {0})", "learned_mixture(1, {0})"),
}
#: Zhang et al., Table 4: W1, W2, MMD, TV, NLL.
PAPER = {
    "expert 1": (0.906, 1.033, 0.047, 0.709, 7.727),
    "expert 2": (0.883, 1.023, 0.045, 0.702, 8.197),
    "no annealing": (3.765, 4.005, 5.075, 0.999, 21.129),
    "no MCMC": (0.728, 0.909, 0.027, 0.604, 5.008),
    "ours, as in the paper": (0.580, 0.777, 0.018, 0.583, 4.517),
}
NAIVE: dict[str, Any] = {"move": "ode()", "correct": "none()", "resample": "none()"}
METHODS: dict[str, dict[str, Any]] = {
    "expert 1": {**NAIVE, "steps": 200, "kernel": "none"},
    "expert 2": {**NAIVE, "steps": 200, "kernel": "none"},
    "no MCMC": {**NAIVE, "steps": 200, "kernel": "none"},
    "ours, as in the paper": {
        **NAIVE,
        "steps": 25,
        "kernel": "langevin(steps = 7, step_size = 0.71)",
    },
    "ours, K = 3": {
        "steps": 50,
        "move": "sde()",
        "correct": "fkc()",
        "kernel": "langevin(steps = 3)",
    },
    "ours, as planned": {"steps": 100},
}
#: Variances of the Langevin steps without annealing, in units of the variance of the board's parts,
#: of which the best that does not diverge is reported.
SIZES = (0.2, 0.8, 1.6, 3.2)


@functools.cache
def mixture(axis: int, narrow: float) -> Gaussians:
    """An expert in closed form."""
    means, scale = torch.zeros(8, 2), torch.full((2,), WIDE**0.5)
    means[:, axis], scale[axis] = torch.tensor(CENTRES), narrow
    return Gaussians.mixture([1 / 8] * 8, [Gaussians.diagonal(m, scale) for m in means])


@poedsl.expert
class known_mixture:
    """The scores of a mixture along an axis, 0 or 1."""

    def __init__(self, axis: int, narrow: float) -> None:
        self.mixture = mixture(int(axis), narrow)

    def score(self, x: poedsl.Real[2], alpha: float, sigma: float) -> Tensor:
        return self.mixture.noised(x, alpha, sigma).score


def log_product(narrow: float, x: np.ndarray) -> np.ndarray:
    """Log density of the product, normalised."""
    points = torch.tensor(x, dtype=torch.float32)
    both = mixture(0, narrow).log_prob(points) + mixture(1, narrow).log_prob(points)
    return both.double().numpy() - exact_log_evidence(narrow**2)


def scores(kind: str, narrow: float, x: Tensor, alpha: float, sigma: float) -> Tensor:
    """Of the product of noised experts."""
    if kind != "learned":
        return sum((mixture(k, narrow).noised(x, alpha, sigma).score for k in (0, 1)), 0 * x)
    s = torch.full((len(x),), sigma / (alpha + sigma))
    z, label = x / (alpha + sigma), torch.zeros(len(x), dtype=torch.long)
    noise = sum((z + (1 - s[:, None]) * net(k, narrow)(z, s, label) for k in (0, 1)), 0 * x)
    return -noise / sigma


def sampled(plan: poedsl.Plan, options: dict[str, Any], seed: int) -> np.ndarray:
    result = plan.run(seed=seed, particles=COUNT, **options)
    return result.sample(COUNT)["x"].double().numpy()


def unannealed(kind: str, narrow: float, seed: int, size: float, steps: int = 200) -> np.ndarray:
    """Langevin steps on the product at the data alone, from N(0, I); learned scores at their least
    noise.
    """
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(COUNT, 2, generator=generator)
    sigma = 0.05 if kind == "learned" else 0.0
    with torch.no_grad():
        for _ in range(steps):
            drift = 0.5 * size * scores(kind, narrow, x, math.sqrt(1 - sigma**2), sigma)
            x = x + drift + math.sqrt(size) * torch.randn(x.shape, generator=generator)
    return x.double().numpy()


def last_step(plan: poedsl.Plan) -> float:
    """The variance of the last Langevin step of ours as in the paper, in the board's own units."""
    spec = plan.with_options(**METHODS["ours, as in the paper"]).bound().spec
    model = prepare(spec, RunSettings())
    target, path = model.target, model.path
    ahead = 0.5 * path.stages[-2].sigma ** 2 / path.exponents[0]
    return float(ahead * target.space.scale.square().mean())


def score_errors(narrow: float) -> list[dict[str, float]]:
    """Root mean squares of the product's score, and of what the learned one is off, along a run
    with exact scores.
    """
    plan = poedsl.compile(program("exact scores", narrow))
    out = []
    for view in plan.stream(seed=0, particles=COUNT, **METHODS["ours, K = 3"]):
        alpha, x = math.sqrt(view.record.beta), view.particles["x"]
        sigma = math.sqrt(1 - alpha**2)
        if view.record.t == 1 or (view.record.t - 2) % 7:
            continue
        with torch.no_grad():
            true = scores("exact scores", narrow, x, alpha, sigma)
            error = scores("learned", narrow, x, alpha, sigma) - true
        rms = [float(v.square().sum(1).mean().sqrt()) for v in (true, error)]
        out.append({"sigma": sigma, "score": rms[0], "error": rms[1]})
    return out


def program(kind: str, narrow: float, expert: int | None = None) -> str:
    """The product, or one of its experts."""
    factors = EXPERTS[kind] if expert is None else EXPERTS[kind][expert : expert + 1]
    return f"x : Real[2]\nx ~ {' * '.join(factors)}".replace("{0}", f"{narrow:g}")


def table(kind: str, narrow: float, seeds: int, entropy: float) -> dict[str, Any]:
    alone = {"expert 1": 0, "expert 2": 1}
    exact, others = (
        [exact_draws(np.random.default_rng(first + k), narrow=narrow**2) for k in range(seeds)]
        for first in (0, 1000)
    )
    truth = functools.partial(log_product, narrow)

    def row(found: list[np.ndarray]) -> dict[str, list[float]]:
        pairs = zip(found, exact, strict=True)
        return mean_row([all_metrics(x, draws, truth, entropy) for x, draws in pairs])

    rows = {"exact draws": row(others)}
    for name, options in METHODS.items():
        plan = poedsl.compile(program(kind, narrow, alone.get(name)))
        rows[name] = row([sampled(plan, options, seed) for seed in range(seeds)])

    def still(size: float) -> list[np.ndarray]:
        return [unannealed(kind, narrow, seed, size) for seed in range(seeds)]

    rows["no annealing"] = row(still(last_step(poedsl.compile(program(kind, narrow)))))
    tried = (still(size * narrow**2) for size in SIZES)
    tuned = [row(found) for found in tried if all(np.isfinite(x).all() for x in found)]
    rows["no annealing, its best step"] = min(tuned, key=lambda r: r["W1"][0])
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
        assert learned_mixture
        runs["learned"] = learned
    print(f"{COUNT} particles, 200 evaluations")
    boards: dict[str, Any] = {}
    for board, narrow in BOARDS.items():
        for axis in (0, 1) if learned else ():
            net(axis, narrow, args.train_steps)
        many = exact_draws(np.random.default_rng(2), 1_000_000, narrow**2)
        entropy = -float(np.mean(log_product(narrow, many)))
        print(f"\n{board}, parts {narrow:g} wide; the product's own NLL is {entropy:.4f}")
        tables = {}
        for kind, count in runs.items():
            tables[kind] = table(kind, narrow, count, entropy)
            print(f"\n{board}, {kind}, {count} seeds")
            print_table(tables[kind], PAPER)
        errors = score_errors(narrow) if learned else []
        if errors:
            print("\nroot mean squares along a run with exact scores")
            print(f"{'sigma':>8}{'score':>10}{'error':>10}{'ratio':>8}")
        for e in errors:
            ratio = e["error"] / e["score"]
            print(f"{e['sigma']:>8.3f}{e['score']:>10.3f}{e['error']:>10.3f}{ratio:>8.3f}")
        boards[board] = {"entropy": entropy, "tables": tables, "score_errors": errors}
    write(args, seeds=runs, paper=PAPER, boards=boards)


if __name__ == "__main__":
    main()
