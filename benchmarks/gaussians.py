"""Base-composed Gaussians (Soiffer et al., 5.1): sliced W2 in four settings, over the floor of two
exact sets.

    python benchmarks/gaussians.py [--seeds 10]

5,000 particles, 2,000 projections. The base variance makes the experts factorized or not, and the
target in or out of distribution. Exact values: the product is N(0, v I) with 1 / v = 1/10 + 1 -
1/base.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch

import poedsl

COUNT, PROJECTIONS = 5000, 2000
SETTINGS = {
    10.0: "factorized, in distribution",
    20.0: "not factorized, in",
    1.0: "factorized, out",
    1.1: "not factorized, out",
}


def program(base: float) -> str:
    return (
        "x : Real[2]\n"
        "x ~ Normal([0, 0], [10^0.5, 1]) * Normal([0, 0], [1, 10^0.5])"
        f" / Normal([0, 0], [{base}^0.5, {base}^0.5])\n"
    )


def sliced_w2(a: np.ndarray, b: np.ndarray, seed: int) -> float:
    """Sliced 2-Wasserstein distance of two sets of one size."""
    directions = np.random.default_rng(seed).normal(size=(2, PROJECTIONS))
    directions /= np.linalg.norm(directions, axis=0)
    along = np.sort(a @ directions, 0) - np.sort(b @ directions, 0)
    return float(np.sqrt((along**2).mean()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    args = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    print(f"{'setting':<30}{'SW2':>8}{'floor':>8}{'ratio':>7}{'log Z error':>13}{'s a run':>9}")
    for base, name in SETTINGS.items():
        variance = 1 / (1 / 10 + 1 - 1 / base)
        log_z = float(np.log(variance) - np.log(10) + np.log(base))
        plan = poedsl.compile(program(base))
        ours, floor, errors, seconds = [], [], [], []
        for seed in range(args.seeds):
            start = time.perf_counter()
            result = plan.run(seed=seed, particles=COUNT)
            seconds.append(time.perf_counter() - start)
            exact, other = (rng.normal(size=(COUNT, 2)) * variance**0.5 for _ in range(2))
            ours.append(sliced_w2(result.sample(COUNT)["x"].double().numpy(), exact, seed))
            floor.append(sliced_w2(other, exact, seed))
            errors.append(abs(result.log_evidence - log_z))
        ratio = np.mean(ours) / np.mean(floor)
        print(
            f"{name + f' ({base:g})':<30}{np.mean(ours):>8.4f}{np.mean(floor):>8.4f}{ratio:>7.2f}"
            f"{max(errors):>13.4f}{max(seconds):>9.2f}"
        )


if __name__ == "__main__":
    main()
