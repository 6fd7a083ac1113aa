"""Forty modes annealed to a third of the temperature (Skreta et al. 2025, Table A1): W1 to exact
draws over the floor of two exact sets.

    python benchmarks/forty.py [--seeds 12]

The mixture of forty Gaussians in the plane that samplers are compared on since Midgley et al. 2023:
means uniform in [-40, 40]^2 by torch's generator with seed 0, standard deviation log(1 + e). 10,000
draws; W1 is exact (POT). Exact draws of the cube are from a grid of cells of 0.05, a fifteenth of
the width of its modes, uniform within a cell; the sum over the grid is its evidence.
"""

from __future__ import annotations

import argparse
import math
import time

import numpy as np
import ot
import torch
from figures import add_out, write
from scipy.special import logsumexp

import poedsl

COUNT, MODES, POWER, CELL = 10_000, 40, 3, 0.05
SPREAD = math.log1p(math.e)
MEANS = ((torch.rand(MODES, 2, generator=torch.Generator().manual_seed(0)) - 0.5) * 80).numpy()
PEERS = {"FKC, as published": 6.26}
PLANS: dict[str, dict[str, object]] = {
    "as compiled": {},
    "from noise": {"path": "flow()"},
    "tempering from N(0, I)": {"path": "temper(ess = none)"},
}


def program() -> str:
    rows = ", ".join(f"[{a!r}, {b!r}]" for a, b in MEANS.astype(float).tolist())
    modes = f"mixture(Normal(m, {SPREAD}) for m in means)"
    return f"let means = [{rows}]\nx : Real[2]\nx ~ {modes}^{POWER}"


def log_parts(x: np.ndarray, variance: float) -> np.ndarray:
    """Log of each component of a mixture with these means, weights included, (n, modes)."""
    far = ((x[:, None] - MEANS) ** 2).sum(-1)
    return -0.5 * far / variance - math.log(2 * math.pi * variance * MODES)


def grid() -> tuple[np.ndarray, np.ndarray, float]:
    """Middles of the cells, each one's share of the mixture's cube, and the cube's log evidence."""
    side = np.arange(-48, 48, CELL) + CELL / 2
    cells = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)
    logs = np.concatenate(
        [POWER * logsumexp(log_parts(c, SPREAD**2), 1) for c in np.array_split(cells, 200)]
    )
    total = logsumexp(logs)
    return cells, np.exp(logs - total), float(total + 2 * math.log(CELL))


def w1(a: np.ndarray, b: np.ndarray) -> float:
    return float(ot.emd2([], [], ot.dist(a, b, metric="euclidean"), numItermax=10**8))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=12)
    add_out(parser, "forty")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    cells, shares, log_z = grid()

    def exact() -> np.ndarray:
        picked = cells[rng.choice(len(cells), COUNT, p=shares)]
        return picked + CELL * (rng.random((COUNT, 2)) - 0.5)

    plan = poedsl.compile(program())
    sets = [exact() for _ in range(2 * args.seeds)]
    floor = float(np.mean([w1(*pair) for pair in zip(sets[::2], sets[1::2], strict=True)]))
    print(f"{'plan':<24}{'W1':>7}{'ratio':>7}{'+-':>6}{'log Z error':>13}{'NFE':>6}{'s':>7}")
    print(f"{'floor':<24}{floor:>7.2f}{1:>7.2f}", flush=True)
    rows = []
    for name, options in PLANS.items():
        found, errors, seconds, nfe = [], [], [], 0
        for seed in range(args.seeds):
            start = time.perf_counter()
            result = plan.run(seed=seed, particles=COUNT, **options)
            seconds.append(time.perf_counter() - start)
            found.append(w1(result.sample(COUNT)["x"].double().numpy(), sets[2 * seed]))
            errors.append(abs(result.log_evidence - log_z))
            nfe = result.nfe
        mean, slow = float(np.mean(found)), float(np.mean(seconds))
        ratio, worst = mean / floor, max(errors)
        spread = float(np.std(found, ddof=1)) / math.sqrt(args.seeds) / floor
        print(
            f"{name:<24}{mean:>7.2f}{ratio:>7.2f}{spread:>6.2f}{worst:>13.4f}{nfe:>6}{slow:>7.1f}",
            flush=True,
        )
        rows.append(
            {
                "plan": name,
                "w1": mean,
                "ratio": ratio,
                "ratio_error": spread,
                "log_z_error": worst,
                "nfe": nfe,
                "seconds": slow,
            }
        )
    for name, distance in PEERS.items():
        print(f"{name:<24}{distance:>7.2f}")
    write(args, floor=floor, log_evidence=log_z, rows=rows, peers=PEERS)


if __name__ == "__main__":
    main()
