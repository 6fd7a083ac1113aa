"""Insert a posed solid into a room: each expert alone, their product, and the product with parents
(Zhang et al., Table 1, in the playroom).

    python benchmarks/table1.py [--scenes 30] [--particles 4] [--out FILE.json]

A held-out room is given without one of its solids, and the solid by its mask, the depth of the
scene and its name. `background` is the mean absolute difference from the given picture outside of
the mask, `foreground` that from the render on the solid, `depth` that of the estimated depth from
the given one inside of the mask, `shape` the overlap of what the segmenter takes for a solid of
that name with where it is, and `reward` the probability that the picture shows it. Means over
scenes and particles, with standard errors over scenes. `the render` has the values for the truth.
"""

from __future__ import annotations

import argparse
import sys

import torch
from figures import add_out, report
from playroom import Critics, Scene, drawn, scenes
from torch import Tensor

FILL = "x ~ flux_fill(mask, image, prompt)"
DEPTH = "x ~ flux_depth(depth, prompt)"
MASKED = "input mask : Mask\nlet m = blur(mask, 2)\nx ~ flux_fill(mask, image, prompt) ^ (1 - m)\n"
PROGRAMS = {
    "fill alone": FILL,
    "depth alone": DEPTH,
    "product": f"{MASKED}x ~ flux_depth(depth, prompt) ^ m",
    "product, given": f"{MASKED}x ~ flux_depth(depth, prompt) ^ m given x",
    "product, forward": f"{MASKED}x ~ flux_depth(depth, prompt) ^ m given x\n"
    "sample x by anneal(condition = guide(gradient = forward()))",
    "plain product": f"{FILL} ^ 0.5\n{DEPTH} ^ 0.5",
}
COLUMNS = ("background", "foreground", "depth", "shape", "reward")


def sampled(program: str, scene: Scene, seed: int, particles: int) -> Tensor:
    """Pictures (N, 3, 64, 64) of a scene's solid in its room."""
    values = {
        "image": scene.without,
        "mask": scene.mask,
        "depth": scene.depth,
        "prompt": scene.text,
    }
    return drawn(program, seed, values, particles=particles).particles["x"]


def measured(found: Tensor, scene: Scene, critics: Critics) -> list[float]:
    """The columns for pictures, on average."""
    background = apart((found - scene.without).abs().mean(1), 1 - scene.mask)
    foreground = apart((found - scene.image).abs().mean(1), scene.solid)
    depth = apart((critics.depths(found) - scene.depth).abs(), scene.mask)
    _, colour, kind = scene.text.split()
    shown = critics.classes(found) == critics.numbers[f"{colour} {kind}"]
    solid = scene.solid.bool()
    shape = (shown & solid).sum((1, 2)) / (shown & (scene.mask > 0) | solid).sum((1, 2))
    reward = critics.score(found, scene.text)
    return [float(v.mean()) for v in (background, foreground, depth, shape, reward)]


def apart(difference: Tensor, where: Tensor) -> Tensor:
    """The mean of a difference (N, 64, 64) over a part of the picture, (N,)."""
    return (difference * where).sum((1, 2)) / where.sum()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=30)
    parser.add_argument("--particles", type=int, default=4)
    add_out(parser, "table1")
    args = parser.parse_args()
    torch.set_num_threads(1)
    critics = Critics()
    rows: dict[str, list[list[float]]] = {name: [] for name in ("the render", *PROGRAMS)}
    for number, scene in enumerate(scenes(args.scenes)):
        rows["the render"].append(measured(scene.image[None], scene, critics))
        for name, program in PROGRAMS.items():
            found = sampled(program, scene, number, args.particles)
            rows[name].append(measured(found, scene, critics))
        print(f"scene {number + 1} of {args.scenes}", file=sys.stderr, flush=True)
    report(args, COLUMNS, rows)


if __name__ == "__main__":
    main()
