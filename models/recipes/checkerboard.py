"""Train the flow over an 8x8 checkerboard, a class a column (Zhang et al., G.2).

The board is [-4, 4] x [-4, 4] in unit squares; points are uniform on the 32 dark ones, those where
column and row add up to an even number. Class c is column c, c <= x[0] + 4 < c + 1.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent))

from points import train

from poedsl.experts.flows.points import PointConfig

SIDE = 8
HERE = Path(__file__).parent.parent / "checkerboard"


def draw(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Points on the dark squares, and their columns."""
    column = torch.randint(SIDE, (count,), generator=generator)
    row = 2 * torch.randint(SIDE // 2, (count,), generator=generator) + column % 2
    corner = torch.stack([column, row], 1) - SIDE / 2
    return corner + torch.rand(count, 2, generator=generator), column


def picture(folder: Path) -> None:
    """Samples of the whole board and of every column, beside draws of the truth."""
    from matplotlib.figure import Figure

    import poedsl

    def samples(arguments: str) -> Tensor:
        plan = poedsl.compile(f"x ~ checkerboard({arguments})")
        options = {"particles": 4000, "steps": 100, "move": "ode()"}
        return plan.run(seed=0, correct="none()", kernel="none", **options).particles["x"]

    panels = {
        "truth": draw(4000, torch.Generator().manual_seed(1))[0],
        "checkerboard()": samples(""),
        "checkerboard(4)": samples("4"),
    }
    figure = Figure(figsize=(12, 4.2), layout="constrained")
    for axes, (title, x) in zip(figure.subplots(1, 3), panels.items(), strict=True):
        axes.scatter(x[:, 0], x[:, 1], s=2, linewidths=0, color="#1b6ca8")
        axes.set(title=title, xlim=(-4.5, 4.5), ylim=(-4.5, 4.5), aspect="equal")
        axes.set_xticks(range(-4, 5))
        axes.set_yticks(range(-4, 5))
        axes.grid(linewidth=0.4)
    figure.savefig(folder / "samples.png", dpi=80)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=60_000)
    parser.add_argument("--out", type=Path, default=HERE)
    args = parser.parse_args()
    torch.set_num_threads(1)
    turns = tuple(math.pi * f for f in (0.25, 0.5, 1.0, 2.0, 4.0))
    config = PointConfig(
        width=256, classes=SIDE, spread=round(math.sqrt(SIDE**2 / 12), 4), frequencies=turns
    )
    net = train(config, draw, args.steps)
    net.save(args.out)
    picture(args.out)


if __name__ == "__main__":
    main()
