"""Two Gaussians and a disc: moments against rejection sampling from the exact product.

python benchmarks/circle.py [--seeds 10]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from figures import add_out, write

import poedsl

PROGRAM = Path(__file__).parent.parent / "programs" / "circle.poe"
CENTRE, RADIUS = np.array([0.2, 0.4]), 0.7


def exact_draws(rng: np.random.Generator, tries: int) -> tuple[np.ndarray, float]:
    """Draws of the product, and its log evidence."""
    first, second, v1, v2 = np.array([-1.0, 0.0]), np.array([0.0, 1.0]), 1.0, 0.8**2
    variance = 1 / (1 / v1 + 1 / v2)
    mean = variance * (first / v1 + second / v2)
    x = mean + rng.normal(size=(tries, 2)) * variance**0.5
    kept = x[np.linalg.norm(x - CENTRE, axis=1) < RADIUS]
    overlap = -0.5 * ((first - second) ** 2).sum() / (v1 + v2) - np.log(2 * np.pi * (v1 + v2))
    return kept, float(overlap + np.log(len(kept) / tries))


def moments(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Means, variances and the covariance."""
    mean = weights @ x
    covariance = (weights[:, None] * (x - mean)).T @ (x - mean)
    return np.array([*mean, covariance[0, 0], covariance[1, 1], covariance[0, 1]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    add_out(parser, "circle")
    args = parser.parse_args()
    torch.set_num_threads(1)
    draws, log_z = exact_draws(np.random.default_rng(0), 8_000_000)
    truth = moments(draws, np.full(len(draws), 1 / len(draws)))
    plan = poedsl.compile(PROGRAM)
    found, evidence, outside = [], [], 0
    for seed in range(args.seeds):
        result = plan.run(seed=seed, particles=2000)
        x = result.particles["x"].double().numpy()
        weights = result.log_weights.exp().double().numpy()
        outside += int((np.linalg.norm(x - CENTRE, axis=1) >= RADIUS).sum())
        found.append(moments(x, weights))
        evidence.append(result.log_evidence)
    means = np.array(found)
    error = means.std(0, ddof=1) / np.sqrt(len(means))
    print(f"particles outside the disc: {outside} of {2000 * args.seeds}")
    print(f"{'':<12}{'ours':>10}{'exact':>10}{'errors':>9}")
    rows = []
    for name, m, t, e in zip(
        ["mean 0", "mean 1", "var 0", "var 1", "cov"], means.mean(0), truth, error, strict=True
    ):
        rows.append({"moment": name, "ours": m, "exact": t, "error": e})
        print(f"{name:<12}{m:>10.4f}{t:>10.4f}{(m - t) / e:>9.2f}")
    worst = max(abs(e - log_z) for e in evidence)
    print(f"{'log Z':<12}{np.mean(evidence):>10.4f}{log_z:>10.4f}   worst error {worst:.4f}")
    write(
        args,
        outside=outside,
        moments=rows,
        log_evidence=np.mean(evidence),
        exact_log_evidence=log_z,
        log_z_error=worst,
    )


if __name__ == "__main__":
    main()
