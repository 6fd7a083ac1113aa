"""Insert a posed solid into a room: each expert alone, their product, and the product with parents
(Zhang et al., Table 1, in the playroom).

    python benchmarks/table1.py [--scenes 30] [--particles 4] [--out FILE.json]

A held-out room is given without one of its solids, and the solid by its mask, the depth of the
scene and its name. `background` is the mean absolute difference from the given picture outside of
the mask, `foreground` that from the render on the solid, `shape` the overlap of what the segmenter
takes for a solid of that name with where it is, and `judge` the probability that the picture shows
it. Means over scenes and particles, with standard errors over scenes.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import torch
from figures import add_out, write
from playroom import Critics, Scene, drawn, scenes, spread

FILL = "x ~ flux_fill(mask, image, prompt)"
DEPTH = "x ~ flux_depth(depth, prompt)"
MASKED = "input mask : Mask\nlet m = blur(mask, 2)\nx ~ flux_fill(mask, image, prompt) ^ (1 - m)\n"
PROGRAMS = {
    "fill alone": FILL,
    "depth alone": DEPTH,
    "product": f"{MASKED}x ~ flux_depth(depth, prompt) ^ m",
    "product, given": f"{MASKED}x ~ flux_depth(depth, prompt) ^ m given x",
    "plain product": f"{FILL} ^ 0.5\n{DEPTH} ^ 0.5",
}
COLUMNS = ("background", "foreground", "shape", "judge")


def measured(
    program: str, scene: Scene, seed: int, particles: int, critics: Critics
) -> list[float]:
    values = {
        "image": scene.without,
        "mask": scene.mask,
        "depth": scene.depth,
        "prompt": scene.text,
    }
    result = drawn(program, seed, values, particles=particles)
    found = result.particles["x"]
    outside = 1 - scene.mask
    background = ((found - scene.without).abs().mean(1) * outside).sum((1, 2)) / outside.sum()
    foreground = ((found - scene.image).abs().mean(1) * scene.solid).sum((1, 2)) / scene.solid.sum()
    _, colour, kind = scene.text.split()
    shown = critics.classes(found) == critics.numbers[f"{colour} {kind}"]
    solid = scene.solid.bool()
    shape = (shown & solid).sum((1, 2)) / (shown & (scene.mask > 0) | solid).sum((1, 2))
    judge = critics.score(found, scene.text)
    return [float(v.mean()) for v in (background, foreground, shape, judge)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=30)
    parser.add_argument("--particles", type=int, default=4)
    add_out(parser, "table1")
    args = parser.parse_args()
    torch.set_num_threads(1)
    critics = Critics()
    rows: dict[str, list[list[float]]] = {name: [] for name in PROGRAMS}
    for number, scene in enumerate(scenes(args.scenes)):
        for name, program in PROGRAMS.items():
            rows[name].append(measured(program, scene, number, args.particles, critics))
        print(f"scene {number + 1} of {args.scenes}", file=sys.stderr, flush=True)
    print(f"{'':<16}" + "".join(f"{c:>18}" for c in COLUMNS))
    told: dict[str, Any] = {}
    for name, found in rows.items():
        columns = [list(c) for c in zip(*found, strict=True)]
        print(f"{name:<16}" + "".join(f"{spread(c):>18}" for c in columns))
        told[name] = dict(zip(COLUMNS, columns, strict=True))
    write(args, rows=told)


if __name__ == "__main__":
    main()
