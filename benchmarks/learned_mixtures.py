"""The experts of `crossing`, and narrower ones, as learned flows: five layers of width 512, flow
matching on draws.

    python benchmarks/learned_mixtures.py [--steps 10000] [--narrow 0.35]

trains them once, into ``runs/learned-mixtures/``; `table4.py` does so where they are missing.
"""

from __future__ import annotations

import argparse
import functools
import sys
from pathlib import Path

import torch
from torch import Tensor

import poedsl
from poedsl.experts.flows.points import PointConfig, PointNet

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "runs" / "learned-mixtures"
sys.path.insert(0, str(ROOT / "models" / "recipes"))


def draw(axis: int, narrow: float, count: int, generator: torch.Generator) -> Tensor:
    """Of the mixture whose eight centres, ``narrow`` wide, stand along an axis."""
    centres = torch.linspace(-3.5, 3.5, 8)[torch.randint(8, (count,), generator=generator)]
    scale = torch.tensor([2.2, 2.2])
    scale[axis] = narrow
    points = scale * torch.randn(count, 2, generator=generator)
    points[:, axis] += centres
    return points


@functools.cache
def net(axis: int, narrow: float, steps: int = 10_000) -> PointNet:
    """The flow of one axis, trained where it is not there yet."""
    folder = FOLDER / f"{narrow:g}-{axis}"
    if not (folder / "model.safetensors").exists():
        from points import train

        def labelled(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
            return draw(axis, narrow, count, generator), torch.zeros(count, dtype=torch.long)

        print(f"training expert {axis + 1} of width {narrow:g}: {steps} steps")
        trained = train(PointConfig(width=512, spread=2.25), labelled, steps, 512, seed=axis)
        trained.save(folder)
    return PointNet.load(folder)


@poedsl.expert
class learned_mixture:
    """A learned mixture along an axis, 0 or 1."""

    def __init__(self, axis: int, narrow: float) -> None:
        self.net = net(int(axis), narrow)

    def velocity(self, x: poedsl.Real[2], s: float) -> Tensor:
        label = torch.zeros(len(x), dtype=torch.long)
        return self.net(x, torch.full((len(x),), s), label)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--narrow", type=float, default=0.35)
    args = parser.parse_args()
    torch.set_num_threads(1)
    for axis in (0, 1):
        net(axis, args.narrow, args.steps)


if __name__ == "__main__":
    main()
