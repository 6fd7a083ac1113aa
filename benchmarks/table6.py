"""Sampling given a class on an 8x8 checkerboard (Zhang et al., Table 6), at 200 evaluations.

    python benchmarks/table6.py [--seeds 4]

A step of guidance takes two evaluations. The dark squares are equally likely, so that
p(x | c)^2 / p(x) is p(x | c) itself up to a constant: every row has the same truth, and rows with
s = 2 aim at it by another way, guidance without weights and ours with them. A column takes 250
points; the last row draws them from a population of 2,000, since weights make particles fewer.
Exact scores, in closed form, run the same sampler as the learned ones. NLL is under the truth
smoothed by N(0, 0.1^2), since points between the squares have none otherwise.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from figures import parser, write
from jaxtyping import Float
from metrics import all_metrics, mean_row, print_table
from scipy.special import ndtr
from torch import Tensor

import poedsl

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "models" / "recipes"))
from checkerboard import SIDE, draw

EACH, MANY = 250, 2000
SMOOTH = 0.1
NAIVE: dict[str, Any] = {"move": "ode()", "correct": "none()", "resample": "none()"}
WEIGHTED: dict[str, Any] = {"steps": 50, "correct": "fkc()", "kernel": "langevin(steps = 1)"}
CLASS, GUIDED = "x : Real[2]\nx ~ {0}({1})", "x : Real[2]\nx ~ {0}({1})^2 / {0}()"
#: Program, particles and options.
METHODS: dict[str, tuple[str, int, dict[str, Any]]] = {
    "vanilla (s = 1, K = 0)": (CLASS, EACH, {**NAIVE, "steps": 200, "kernel": "none"}),
    "guidance (s = 2, K = 0)": (GUIDED, EACH, {**NAIVE, "steps": 100, "kernel": "none"}),
    "ours (s = 1, K = 1)": (CLASS, EACH, {**NAIVE, "steps": 100, "kernel": "langevin(steps = 1)"}),
    "ours (s = 2), sde, as planned": (GUIDED, EACH, {**WEIGHTED, "move": "sde()"}),
    "ours (s = 2), ode": (GUIDED, EACH, {**WEIGHTED, "move": "ode()"}),
    "ours (s = 2), ode, of 2,000": (GUIDED, MANY, {**WEIGHTED, "move": "ode()"}),
}
KINDS = {"learned": "checkerboard", "exact scores": "known_board"}
#: Zhang et al., Table 6.
PAPER = {
    "vanilla (s = 1, K = 0)": (0.581, 0.724, 0.389, 0.833, 2.796),
    "guidance (s = 2, K = 0)": (0.296, 0.476, 0.026, 0.671, 2.631),
    "ours (s = 1, K = 1)": (0.296, 0.468, 0.024, 0.667, 2.534),
}


def along(
    x: Float[Tensor, " L"], alpha: float, sigma: float
) -> tuple[Float[Tensor, "L 8"], Float[Tensor, "L 8"]]:
    """Of uniforms on the unit intervals of an axis, noised: log densities up to a constant, and
    their slopes.
    """
    ends = (x.double()[:, None] - alpha * (torch.arange(SIDE + 1) - SIDE / 2)) / sigma
    upper, lower = ends[:, :-1], ends[:, 1:]
    left = upper + lower > 0
    big = torch.special.log_ndtr(torch.where(left, -lower, upper))
    small = torch.special.log_ndtr(torch.where(left, -upper, lower))
    log = big + torch.log1p(-(small - big).exp())
    bell = -0.5 * math.log(2 * math.pi) - 0.5 * ends.square()
    slope = (bell[:, :-1] - log).exp() - (bell[:, 1:] - log).exp()
    return log, slope / sigma


@poedsl.expert
class known_board:
    """The scores of the board in closed form, or of a column of it."""

    def __init__(self, column: int = -1) -> None:
        places = torch.arange(SIDE)
        dark = (places[:, None] + places) % 2 == 0
        self.dark = dark if column < 0 else dark & (places[:, None] == column)

    def score(self, x: poedsl.Real[2], alpha: float, sigma: float) -> Tensor:
        (log_x, slope_x), (log_y, slope_y) = (along(v, alpha, sigma) for v in x.T)
        joint = torch.where(self.dark, log_x[:, :, None] + log_y[:, None, :], -math.inf)
        share = joint.flatten(1).softmax(1).view(joint.shape)
        pulls = [(share.sum(2) * slope_x).sum(1), (share.sum(1) * slope_y).sum(1)]
        return torch.stack(pulls, 1).to(x.dtype)


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


def samples(
    kind: str, text: str, particles: int, options: dict[str, Any], seed: int
) -> tuple[np.ndarray, float]:
    """As many of every column, and the share of the particles that have descendants."""
    out, ancestors = [], []
    for column in range(SIDE):
        plan = poedsl.compile(text.format(KINDS[kind], column))
        result = plan.run(seed=SIDE * seed + column, particles=particles, **options)
        out.append(result.sample(EACH)["x"].double().numpy())
        ancestors.append(result.stages[-1].unique_ancestors / particles)
    return np.concatenate(out), float(np.mean(ancestors))


def misplaced(points: np.ndarray) -> float:
    """Share of the points that are not on a dark square of their own column."""
    column, row = np.floor(points + SIDE / 2).T
    wanted = np.repeat(np.arange(SIDE), EACH)
    dark = (column == wanted) & ((column + row) % 2 == 0) & (row >= 0) & (row < SIDE)
    return float(1 - dark.mean())


def main() -> None:
    args = parser(__doc__, "table6", seeds=4).parse_args()
    torch.set_num_threads(1)
    seeds = 1 if args.quick else args.seeds
    pairs = [(truth(2 * s), truth(2 * s + 1)) for s in range(seeds)]
    many = draw(1_000_000, torch.Generator().manual_seed(0))[0].double().numpy()
    entropy = -float(np.mean(log_truth(many)))
    floor = mean_row([all_metrics(a, b, log_truth, entropy) for a, b in pairs])
    print(f"{SIDE * EACH} points, 200 evaluations a particle, {seeds} seeds")
    print(f"the truth's NLL is {entropy:.4f}")
    tables: dict[str, Any] = {}
    for kind in KINDS:
        rows, astray, kept = {"exact draws": floor}, {}, {}
        for name, (text, particles, options) in METHODS.items():
            found = [samples(kind, text, particles, options, seed) for seed in range(seeds)]
            drawn = [(x, pairs[s][1]) for s, (x, _) in enumerate(found)]
            rows[name] = mean_row([all_metrics(x, b, log_truth, entropy) for x, b in drawn])
            astray[name] = float(np.mean([misplaced(x) for x, _ in found]))
            kept[name] = float(np.mean([share for _, share in found]))
        tables[kind] = {"rows": rows, "misplaced": astray, "ancestors": kept}
        print(f"\n{kind}")
        print_table(rows, PAPER)
        print("not on a dark square of their column, and particles of the start with descendants")
        for name in METHODS:
            print(f"{name:<30}{100 * astray[name]:6.1f} %{100 * kept[name]:6.0f} %")
    write(args, entropy=entropy, paper=PAPER, tables=tables)


if __name__ == "__main__":
    main()
