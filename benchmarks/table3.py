"""A layout from boxes with their own prompts, by more and more particles, with resampling and
without (Zhang et al., Tables 3 and 5, in the playroom).

    python benchmarks/table3.py [--scenes 50] [--particles 4 8 16 32] [--out FILE.json]

A depth expert and a reward model on the whole picture and on each box (F.5), by
`programs/playroom/layout.poe` in 14 stages, resampled after every quarter; moves are stochastic,
which keeps copies apart for half of what a kernel costs. What counts of a run is the particle with
the highest reward. Without resampling particles know nothing of each other: the first L of one run
are best-of-L at equal compute. `reward` is the probability that the picture shows the whole prompt,
`boxes` the mean of those that boxes show theirs, and `mIoU` the overlap of boxes with those of the
solids that a segmenter, which the run never sees, finds there. `no boxes` has the expert and the
reward on the whole alone, and `text alone` a text expert in its place.
"""

from __future__ import annotations

import argparse
import sys

import torch
from figures import add_out, report
from playroom import PROGRAMS, Critics, Scene, drawn, scenes
from torch import Tensor

import poedsl

LAYOUT = (PROGRAMS / "layout.poe").read_text(encoding="utf-8")
ALONE = (
    "x : Image[3, 64, 64]\nx ~ {expert} * exp(8 * vqascore(prompt))\n"
    "sample x by anneal(potential = full())\n"
)
EXPERTS = {"text alone": "flux(prompt)", "no boxes": "flux_depth(depth, prompt)"}
MOVES = {"steps": 14, "move": "sde()", "kernel": "none"}
QUARTERS = "tophalf(when = at(11, 7, 4, 1))"
COLUMNS = ("reward", "boxes", "mIoU")


def run(program: str, scene: Scene, seed: int, **options: object) -> poedsl.Result:
    values = {"prompt": scene.caption, "depth": scene.depth, "layout": scene.parts}
    return drawn(program, seed, values, **MOVES, **options)


def best(result: poedsl.Result, count: int) -> Tensor:
    """Of the first particles the one with the highest reward, (1, 3, 64, 64)."""
    return result.particles["x"][int(result.scores[:count].argmax())][None]


def measured(scene: Scene, seed: int, counts: list[int]) -> dict[str, Tensor]:
    """A picture for each row of the table."""
    free = run(LAYOUT, scene, seed, particles=max(counts), resample="none")
    rows: dict[str, Tensor] = {}
    for name, expert in EXPERTS.items():
        program = ALONE.format(expert=expert)
        alone = run(program, scene, seed, particles=min(counts), resample="none")
        rows[f"{name}, best of {min(counts)}"] = best(alone, min(counts))
    for count in [1, *counts]:
        rows[f"best of {count}"] = best(free, count)
    for count in counts:
        rows[f"resampled, {count}"] = best(
            run(LAYOUT, scene, seed, particles=count, resample=QUARTERS), count
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=50)
    parser.add_argument("--particles", type=int, nargs="+", default=[4, 8, 16, 32])
    add_out(parser, "table3")
    args = parser.parse_args()
    torch.set_num_threads(1)
    critics = Critics()
    rows: dict[str, list[list[float]]] = {}
    for number, scene in enumerate(scenes(args.scenes)):
        for name, picture in measured(scene, number, args.particles).items():
            rows.setdefault(name, []).append(
                [
                    float(critics.score(picture, scene.caption)),
                    critics.score_of_boxes(picture, scene.parts),
                    float(critics.overlap(picture, scene.parts)),
                ]
            )
        print(f"scene {number + 1} of {args.scenes}", file=sys.stderr, flush=True)
    report(args, COLUMNS, rows)


if __name__ == "__main__":
    main()
