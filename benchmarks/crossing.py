"""Two crossing mixtures (Zhang et al., E.1): W1 to exact draws of their 64-component product, and
log evidence.

    python benchmarks/crossing.py [--seeds 10]

W1 is exact (POT) between 2,000 particles and 2,000 exact draws; the floor is W1 between two sets
of exact draws.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import ot
import torch
from figures import add_out, write

import poedsl

PROGRAM = Path(__file__).parent.parent / "programs" / "crossing.poe"
COUNT = 2000
CENTRES = np.linspace(-3.5, 3.5, 8)
NARROW, WIDE = 0.35**2, 2.2**2


def exact_draws(rng: np.random.Generator, count: int = COUNT, narrow: float = NARROW) -> np.ndarray:
    """Draws of the product: for every pair of components one Gaussian, by their overlap."""
    variance = 1 / (1 / narrow + 1 / WIDE)
    across, along = np.meshgrid(CENTRES, CENTRES)
    means = np.stack([across.ravel(), along.ravel()], 1) * variance / narrow
    log_weights = -0.5 * (across.ravel() ** 2 + along.ravel() ** 2) / (narrow + WIDE)
    weights = np.exp(log_weights - log_weights.max())
    picked = rng.choice(64, count, p=weights / weights.sum())
    return means[picked] + rng.normal(size=(count, 2)) * variance**0.5


def exact_log_evidence(narrow: float = NARROW) -> float:
    """Log of the integral of the product."""
    spread = 2 * np.pi * (narrow + WIDE)
    overlap = np.exp(-0.5 * (CENTRES[:, None] ** 2 + CENTRES**2) / (narrow + WIDE)) / spread
    return float(np.log(overlap.mean()))


def w1(a: np.ndarray, b: np.ndarray) -> float:
    return float(ot.emd2([], [], ot.dist(a, b, metric="euclidean"), numItermax=10**7))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    add_out(parser, "crossing")
    args = parser.parse_args()
    torch.set_num_threads(1)
    plan = poedsl.compile(PROGRAM)
    rng = np.random.default_rng(0)
    ours, floor, evidence, seconds, nfe = [], [], [], [], 0
    for seed in range(args.seeds):
        result = plan.run(seed=seed, particles=COUNT)
        ours.append(w1(result.sample(COUNT)["x"].double().numpy(), exact_draws(rng)))
        floor.append(w1(exact_draws(rng), exact_draws(rng)))
        evidence.append(result.log_evidence)
        seconds.append(sum(s.seconds for s in result.stages))
        nfe = result.nfe
    print(f"evaluations (NFE)      {nfe}")
    print(
        f"W1 to exact draws      {np.mean(ours):.4f}  (sd {np.std(ours):.4f}, {args.seeds} seeds)"
    )
    print(f"W1 between exact draws {np.mean(floor):.4f}  (sd {np.std(floor):.4f})")
    print(f"ratio                  {np.mean(ours) / np.mean(floor):.3f}")
    worst = max(abs(e - exact_log_evidence()) for e in evidence)
    print(
        f"log evidence           {np.mean(evidence):.4f}, "
        f"exact {exact_log_evidence():.4f}, worst error {worst:.4f}"
    )
    print(f"seconds a run          {np.mean(seconds):.2f}")
    write(
        args,
        nfe=nfe,
        w1=np.mean(ours),
        floor=np.mean(floor),
        ratio=np.mean(ours) / np.mean(floor),
        log_evidence=np.mean(evidence),
        exact_log_evidence=exact_log_evidence(),
        log_z_error=worst,
        seconds=np.mean(seconds),
    )


if __name__ == "__main__":
    main()
