"""Draw samples of every model of the playroom beside held-out renders, as one picture.

    python -m playroom.report PICTURE.png [SEED]        # from models/recipes

Captions stand under the renders; under them are what `flux` makes of the caption, what `flux_depth`
makes of caption and depth, and what `flux_fill` puts into a hole, which is outlined. The last row
has rooms by their contents.
"""

from __future__ import annotations

import json
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw

import poedsl

COLUMNS, TILE, GAP, TEXT = 8, 96, 6, 34
HELD_OUT = Path(__file__).resolve().parent.parent.parent / "playroom" / "held_out"
ONE = "sample x by anneal(particles = 1, steps = 28, kernel = none, move = ode(), correct = none())"


def sample(program: str, seed: int, **values: Any) -> np.ndarray:
    plan = poedsl.compile(f"{program}\n{ONE}\n").bind(**values)
    picture = plan.run(seed=seed, profile="small").particles["x"][0]
    return (picture * 255).round().byte().permute(1, 2, 0).numpy()


def draw(path: Path, seed: int) -> None:
    records = json.loads((HELD_OUT / "scenes.json").read_text())[:COLUMNS]
    strips = {
        name: np.array(Image.open(HELD_OUT / f"{name}.png")).reshape(-1, 64, 64, *shape)
        for name, shape in (("image", (3,)), ("without", (3,)), ("depth", ()), ("segments", ()))
    }
    names = ["render", "flux", "flux_depth", "flux_fill", "room"]
    width = 60 + COLUMNS * (TILE + GAP)
    page = Image.new("RGB", (width, GAP + len(names) * (TILE + GAP) + 2 * TEXT), "white")
    pen = ImageDraw.Draw(page)

    def paste(row: int, column: int, pixels: np.ndarray) -> None:
        top = GAP + row * (TILE + GAP) + (TEXT if row else 0)
        tile = Image.fromarray(pixels).resize((TILE, TILE), Image.Resampling.NEAREST)
        page.paste(tile, (60 + column * (TILE + GAP), top))
        pen.text((4, top + TILE // 2 - 6), names[row], "black")

    for k, scene in enumerate(records):
        depth = torch.from_numpy(strips["depth"][k]).float() / 255
        given = torch.from_numpy(strips["without"][k]).permute(2, 0, 1).float() / 255
        part = scene["parts"][scene["chosen"]]
        left, top, right, bottom = (round(64 * v) for v in part["box"])
        mask = torch.zeros(64, 64)
        mask[max(0, top - 3) : bottom + 3, max(0, left - 3) : right + 3] = 1
        paste(0, k, strips["image"][k])
        lines = "\n".join(textwrap.wrap(scene["caption"], 17)[:3])
        pen.multiline_text((60 + k * (TILE + GAP), GAP + TILE), lines, "black", spacing=0)
        words = {"prompt": scene["caption"]}
        paste(1, k, sample("x : Image[3, 64, 64]\nx ~ flux(prompt)", seed + k, **words))
        paste(2, k, sample("x ~ flux_depth(depth, prompt)", seed + k, depth=depth, **words))
        fill = "x ~ flux_fill(mask, image, prompt)"
        values = {"mask": mask, "image": given, "prompt": part["text"]}
        found = sample(fill, seed + k, **values)
        inner = -F.max_pool2d(-mask[None], 3, 1, 1)[0]
        found[(mask > inner).numpy()] = 255
        paste(3, k, found)
    for k in range(COLUMNS):
        contents = ("empty", "couch", "painting", "both")[k // 2]
        paste(4, k, sample(f'x ~ room("{contents}")', seed + k))
        pen.text((60 + k * (TILE + GAP), page.height - TEXT + 4), contents, "black")
    page.save(path, optimize=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    draw(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
