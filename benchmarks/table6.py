"""Sampling given a class on an 8x8 checkerboard (Zhang et al., Table 6), at 200 evaluations.

    python benchmarks/table6.py [--seeds 5]

A step of guidance takes two evaluations. Half of the board is dark and its squares are equally
likely, so that p(x | c)^2 / p(x) is p(x | c) itself: every row has the same truth, and only the
last two aim at the guided product. NLL is under the truth smoothed by N(0, 0.1^2), since points
between the squares have none otherwise.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from metrics import all_metrics, mean_row, print_table
from results import parser, write
from scipy.special import ndtr

import poedsl

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "models" / "recipes"))
from checkerboard import SIDE, draw

EACH = 250
SMOOTH = 0.1
NAIVE: dict[str, Any] = {"move": "ode()", "correct": "none()", "resample": "none()"}
CLASS, GUIDED = "x ~ checkerboard({0})", "x ~ checkerboard({0})^2 / checkerboard()"
METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "vanilla (s = 1, K = 0)": (CLASS, {**NAIVE, "steps": 200, "kernel": "none"}),
    "guidance (s = 2, K = 0)": (GUIDED, {**NAIVE, "steps": 100, "kernel": "none"}),
    "ours (s = 1, K = 1)": (CLASS, {**NAIVE, "steps": 100, "kernel": "langevin(steps = 1)"}),
    "ours, the guided product": (
        GUIDED,
        {"steps": 50, "move": "sde()", "correct": "fkc()", "kernel": "langevin(steps = 1)"},
    ),
}
#: Zhang et al., Table 6.
PAPER = {
    "vanilla (s = 1, K = 0)": (0.581, 0.724, 0.389, 0.833, 2.796),
    "guidance (s = 2, K = 0)": (0.296, 0.476, 0.026, 0.671, 2.631),
    "ours (s = 1, K = 1)": (0.296, 0.468, 0.024, 0.667, 2.534),
}


def log_truth(x: np.ndarray) -> np.ndarray:
    """Log density of the whole board, smoothed."""
    total = np.zeros(len(x))
    for column in range(SIDE):
        for row in range(column % 2, SIDE, 2):
            corner = np.array([column, row]) - SIDE / 2
            inside = ndtr((x - corner) / SMOOTH) - ndtr((x - corner - 1) / SMOOTH)
            total += inside.prod(1)
    return np.log(total / (SIDE * SIDE / 2) + 1e-300)


def truth(seed: int) -> np.ndarray:
    return draw(SIDE * EACH, torch.Generator().manual_seed(1000 + seed))[0].double().numpy()


def samples(text: str, options: dict[str, Any], seed: int) -> np.ndarray:
    """As many of every column."""
    out = []
    for column in range(SIDE):
        plan = poedsl.compile(text.format(column))
        result = plan.run(seed=SIDE * seed + column, particles=EACH, **options)
        out.append(result.sample(EACH)["x"].double().numpy())
    return np.concatenate(out)


def misplaced(points: np.ndarray) -> float:
    """Share of the points that are not on a dark square of their own column."""
    column, row = np.floor(points + SIDE / 2).T
    wanted = np.repeat(np.arange(SIDE), EACH)
    dark = (column == wanted) & ((column + row) % 2 == 0) & (row >= 0) & (row < SIDE)
    return float(1 - dark.mean())


def main() -> None:
    args = parser(__doc__, "table6", seeds=5).parse_args()
    torch.set_num_threads(1)
    seeds = 1 if args.quick else args.seeds
    pairs = [(truth(2 * s), truth(2 * s + 1)) for s in range(seeds)]
    rows = {"exact draws": mean_row([all_metrics(a, b, log_truth) for a, b in pairs])}
    astray: dict[str, float] = {}
    for name, (text, options) in METHODS.items():
        found = [samples(text, options, seed) for seed in range(seeds)]
        rows[name] = mean_row([all_metrics(x, truth(s), log_truth) for s, x in enumerate(found)])
        astray[name] = float(np.mean([misplaced(x) for x in found]))
    print(f"{SIDE * EACH} points, 200 evaluations, {seeds} seeds")
    print_table(rows, PAPER)
    print("\nnot on a dark square of their column")
    for name, share in astray.items():
        print(f"{name:<26}{100 * share:6.1f} %")
    assert math.isfinite(rows["exact draws"]["NLL"][0])
    write(args.out, {"seeds": seeds, "rows": rows, "paper": PAPER, "misplaced": astray})


if __name__ == "__main__":
    main()
