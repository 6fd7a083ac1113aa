"""Rendered scenes, kept in files of arrays; held-out ones have seeds of their own: from
models/recipes,

python -m playroom.data WORK        # from models/recipes
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from playroom.scenes import COLOURS, CONTENTS, KINDS, Scene, Studio, draw_room, draw_scene

#: Seeds of training and of held-out scenes never meet.
TRAIN_SEED, HELD_OUT_SEED, PAIR_SEED = 0, 10_000_000, 20_000_000
COUNTS = {"scenes": 14_000, "rooms": 4_000, "held_out": 400, "held_out_rooms": 200}
#: Held-out scenes with and without one of their solids.
PAIRS = 60


def render_all(work: Path, share: float = 1.0) -> None:
    """``NAME.npz`` and ``NAME.json`` for every set that is not there yet.

    Args:
        share: of the scenes, for a trial.
    """
    work.mkdir(parents=True, exist_ok=True)
    for name, count in COUNTS.items():
        if (work / f"{name}.npz").exists():
            continue
        seed = HELD_OUT_SEED if name.startswith("held_out") else TRAIN_SEED
        _render(work / name, max(4, int(share * count)), seed, rooms="rooms" in name)
        print(f"{name}: rendered", flush=True)
    if not (work / "pairs.npz").exists():
        _render_pairs(work / "pairs", max(4, int(share * PAIRS)))
        print("pairs: rendered", flush=True)


def _render_pairs(path: Path, count: int) -> None:
    """Held-out scenes with and without one of their solids, which is seen well."""
    studio = _studio()
    arrays: dict[str, list[Any]] = {n: [] for n in ("image", "depth", "segments", "without")}
    records: list[dict[str, Any]] = []
    seed = PAIR_SEED
    while len(records) < count:
        rng = np.random.default_rng(seed)
        seed += 1
        scene = draw_scene(rng)
        render = studio.render(scene)
        seen = [int((render.segments == k + 1).sum()) for k in range(len(scene.solids))]
        inner = [b[0] > 0.03 and b[2] < 0.97 for b in render.boxes]
        chosen = [k for k, (n, well) in enumerate(zip(seen, inner, strict=True)) if well and n > 90]
        if not chosen:
            continue
        number = int(rng.choice(chosen))
        arrays["image"].append(render.image)
        arrays["depth"].append((255 * render.depth).round().astype(np.uint8))
        arrays["segments"].append(render.segments)
        arrays["without"].append(studio.render(scene.without(number)).image)
        records.append({**scene.as_json(), "boxes": render.boxes, "chosen": number})
    _write(path, arrays, records)


def _studio() -> Studio:
    os.environ.setdefault("MUJOCO_GL", "egl")
    return Studio()


def _write(path: Path, arrays: dict[str, list[Any]], records: list[dict[str, Any]]) -> None:
    np.savez_compressed(f"{path}.npz", **{n: np.stack(v) for n, v in arrays.items()})
    Path(f"{path}.json").write_text(json.dumps(records))


def _render(path: Path, count: int, seed: int, *, rooms: bool) -> None:
    studio = _studio()
    arrays: dict[str, list[Any]] = {"image": [], "depth": [], "segments": []}
    records = []
    for k in range(count):
        rng = np.random.default_rng(seed + k)
        contents = CONTENTS[k % len(CONTENTS)]
        scene = draw_room(rng, contents) if rooms else draw_scene(rng)
        render = studio.render(scene)
        arrays["image"].append(render.image)
        arrays["depth"].append((255 * render.depth).round().astype(np.uint8))
        arrays["segments"].append(render.segments)
        records.append({**scene.as_json(), "boxes": render.boxes, "contents": contents})
    _write(path, arrays, records)


def load(work: Path, name: str) -> tuple[dict[str, np.ndarray], list[dict[str, Any]]]:
    """Arrays: image (N, 64, 64, 3), depth and segments (N, 64, 64), bytes; and what is in each."""
    with np.load(work / f"{name}.npz") as file:
        arrays = {key: file[key] for key in file.files}
    return arrays, json.loads((work / f"{name}.json").read_text())


def texts(record: dict[str, Any]) -> list[str]:
    """What each solid is called."""
    return [
        f"{'an' if s['colour'][0] in 'aeiou' else 'a'} {s['colour']} {s['kind']}"
        for s in record["solids"]
    ]


def classes(records: list[dict[str, Any]], segments: np.ndarray) -> np.ndarray:
    """The class of each pixel: 0 for the room, then kind by kind the eight colours."""
    colours = list(COLOURS)
    table = np.zeros((len(records), 4), np.uint8)
    for k, one in enumerate(records):
        for slot, s in enumerate(one["solids"]):
            number = KINDS.index(s["kind"]) * len(colours) + colours.index(s["colour"])
            table[k, slot + 1] = 1 + number
    return np.take_along_axis(table, segments.reshape(len(records), -1).astype(int), 1).reshape(
        segments.shape
    )


def scene_of(record: dict[str, Any]) -> Scene:
    """The scene graph of what was written."""
    from playroom.scenes import Solid

    keys = ("floor", "wall", "light", "camera", "couch", "painting")
    solids = tuple(Solid(**s) for s in record["solids"])
    return Scene(solids, **{k: record[k] for k in keys})


if __name__ == "__main__":
    render_all(Path(sys.argv[1]))
