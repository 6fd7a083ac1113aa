"""A layout from boxes with their own prompts, by more and more particles, with resampling and
without (Zhang et al., Tables 3 and 5, in the playroom).

    python benchmarks/table3.py [--scenes 50] [--particles 1 4 8 16 32] [--out FILE.json]

A text expert on the whole picture, a depth expert on each box, and the judge as reward, by
`programs/playroom/layout.poe`. `best` is what a run shows first, the particle that the judge likes
best; without resampling that is best-of-L at equal compute. `judge` is the probability that the
picture shows the whole prompt, and `mIoU` the overlap of boxes with those of the solids that a
segmenter, which the run never sees, finds there. `text alone` has no boxes.
"""

from __future__ import annotations

import argparse

import torch
from figures import add_out, write
from playroom import PROGRAMS, Critics, Scene, drawn, scenes, spread

LAYOUT = (PROGRAMS / "layout.poe").read_text(encoding="utf-8")
ALONE = (
    "x : Image[3, 64, 64]\nx ~ flux(prompt) * exp(8 * vqascore(prompt))\n"
    "sample x by anneal(steps = 28, potential = full())\n"
)
COLUMNS = ("judge", "mIoU")


def measured(
    program: str, scene: Scene, seed: int, critics: Critics, **options: object
) -> list[float]:
    values = {
        "prompt": scene.caption,
        "depth": scene.depth,
        "layout": scene.parts,
    }
    best = drawn(program, seed, values, **options).best()["x"][None]
    judge = critics.score(best, scene.caption)
    return [float(judge[0]), float(critics.overlap(best, scene.parts)[0])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=50)
    parser.add_argument("--particles", type=int, nargs="+", default=[1, 4, 8, 16, 32])
    add_out(parser, "table3")
    args = parser.parse_args()
    torch.set_num_threads(1)
    critics = Critics()
    several = [s for s in scenes(60) if len(s.parts) > 1][: args.scenes]
    settings: dict[str, tuple[str, dict[str, object]]] = {}
    for count in args.particles:
        settings[f"resampled, {count}"] = LAYOUT, {"particles": count}
        settings[f"best of {count}"] = LAYOUT, {"particles": count, "resample": "none"}
    settings[f"text alone, best of {args.particles[-1]}"] = (
        ALONE,
        {"particles": args.particles[-1], "resample": "none"},
    )
    rows: dict[str, list[list[float]]] = {name: [] for name in settings}
    for number, scene in enumerate(several):
        for name, (program, options) in settings.items():
            rows[name].append(measured(program, scene, number, critics, **options))
        print(f"scene {number + 1} of {len(several)}", end="\r", flush=True)
    print(f"{'':<26}" + "".join(f"{c:>18}" for c in COLUMNS))
    told = {}
    for name, found in rows.items():
        columns = [list(c) for c in zip(*found, strict=True)]
        print(f"{name:<26}" + "".join(f"{spread(c):>18}" for c in columns))
        told[name] = dict(zip(COLUMNS, columns, strict=True))
    write(args, rows=told)


if __name__ == "__main__":
    main()
