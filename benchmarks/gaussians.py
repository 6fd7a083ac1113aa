"""Base-composed Gaussians (Soiffer et al., 5.1): sliced W2 in four settings, over the floor of two
exact sets.

    python benchmarks/gaussians.py [--seeds 10] [--fkc compositional-diffusion/gaussian_experiments]

5,000 particles, 2,000 projections. The base variance makes the experts factorized or not, and the
target in or out of distribution. Exact values: the product is N(0, v I) with 1 / v = 1/10 + 1 -
1/base. Given a copy of the code that Soiffer et al. published, its Feynman-Kac sampler runs beside
ours on exact scores, 500 steps as there, unclipped, in islands of one and of 16 particles a draw.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from figures import add_out, write

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


def feynman_kac(folder: Path) -> Callable[[float, int, int], np.ndarray]:
    """The published sampler, as a function of base variance, particles a draw and seed."""
    sys.path.insert(0, str(folder))
    from feynman_kac import feynman_kac_sample
    from noise_schedule import VPSchedule

    schedule = VPSchedule()

    def score(variance: list[float]) -> Callable[[Any, Any], Any]:
        own = torch.tensor(variance)

        def at(t: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
            return -x / (schedule.alpha(t) ** 2 * own + schedule.sigma(t) ** 2)

        return at

    def draw(base: float, particles: int, seed: int) -> np.ndarray:
        torch.manual_seed(seed)
        experts = [score([10.0, 1.0]), score([1.0, 10.0]), score([base, base])]
        return feynman_kac_sample(
            experts,
            [1.0, 1.0, -1.0],
            schedule,
            2,
            COUNT,
            n_particles=particles,
            n_steps=500,
            g_clip=None,
            device="cpu",
            verbose=False,
        ).numpy()

    return draw


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--fkc", type=Path, help="the folder with feynman_kac.py")
    parser.add_argument("--fkc-seeds", type=int, default=3)
    add_out(parser, "gaussians")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    theirs = None if args.fkc is None else feynman_kac(args.fkc)
    rows: list[dict[str, Any]] = []
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
        ratio, title = np.mean(ours) / np.mean(floor), f"{name} ({base:g})"
        print(
            f"{title:<30}{np.mean(ours):>8.4f}{np.mean(floor):>8.4f}{ratio:>7.2f}"
            f"{max(errors):>13.4f}{max(seconds):>9.2f}"
        )
        row = {
            "setting": title,
            "floor": np.mean(floor),
            "sw2": np.mean(ours),
            "ratio": ratio,
            "log_z_error": max(errors),
            "seconds": np.mean(seconds),
        }
        for particles in () if theirs is None else (1, 16):
            found, spent = [], []
            for seed in range(args.fkc_seeds):
                start = time.perf_counter()
                draws = theirs(base, particles, seed)
                spent.append(time.perf_counter() - start)
                found.append(sliced_w2(draws, rng.normal(size=(COUNT, 2)) * variance**0.5, seed))
            print(
                f"{f'  FKC, {particles} a draw':<30}{np.mean(found):>8.4f}{'':>8}"
                f"{np.mean(found) / np.mean(floor):>7.2f}{'':>13}{max(spent):>9.2f}"
                f"   {np.mean(spent) / np.mean(seconds):.0f} times our time",
                flush=True,
            )
            row[f"fkc_{particles}"] = {
                "sw2": np.mean(found),
                "ratio": np.mean(found) / np.mean(floor),
                "seconds": np.mean(spent),
                "time_ratio": np.mean(spent) / np.mean(seconds),
            }
        rows.append(row)
    write(args, rows=rows)


if __name__ == "__main__":
    main()
