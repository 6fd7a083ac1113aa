"""Films of training and of tests, kept in files of arrays: from models/recipes,

python -m playroom_motion.data WORK [--scenes N]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from playroom_motion.scenes import Scene, draw_scene, render

#: Seeds of training and of held-out scenes never meet.
TRAIN_SEED, HELD_OUT_SEED = 0, 10_000_000
SCENES, HELD_OUT = 1400, 100
#: Scenes in a file.
SHARD = 100
FIELDS = ("image", "depth", "ball", "scenery")


def held_out(number: int) -> Scene:
    """A scene that no model has seen."""
    return draw_scene(np.random.default_rng(HELD_OUT_SEED + number))


def render_all(work: Path, scenes: int = SCENES, held: int = HELD_OUT, shard: int = SHARD) -> None:
    """``train-K.npz``, ``held_out-K.npz`` and ``.json`` beside them, as far as they are missing."""
    work.mkdir(parents=True, exist_ok=True)
    for name, count, seed in (
        ("held_out", held, HELD_OUT_SEED),
        ("train", scenes, TRAIN_SEED),
    ):
        for first in range(0, count, shard):
            path = work / f"{name}-{first // shard:03}.npz"
            if not path.exists():
                _render(path, range(seed + first, seed + min(count, first + shard)))
                print(f"{path.name}: rendered", flush=True)


def _render(path: Path, seeds: range) -> None:
    arrays: dict[str, list[Any]] = {name: [] for name in FIELDS}
    records = []
    for seed in seeds:
        scene = draw_scene(np.random.default_rng(seed))
        film = render(scene)
        for name in FIELDS:
            arrays[name].append(getattr(film, name))
        records.append(scene.as_json())
    path.with_suffix(".json").write_text(json.dumps(records))
    fresh = path.with_suffix(".part")
    with fresh.open("wb") as file:
        np.savez_compressed(file, **{n: np.stack(v) for n, v in arrays.items()})
    fresh.replace(path)


def load(work: Path, name: str) -> tuple[dict[str, np.ndarray], list[dict[str, Any]]]:
    """Arrays by the names of ``FIELDS``, the first axis the film; and what is in each."""
    arrays: dict[str, list[Any]] = {field: [] for field in FIELDS}
    records: list[dict[str, Any]] = []
    for path in sorted(work.glob(f"{name}-*.npz")):
        with np.load(path) as file:
            for field in FIELDS:
                arrays[field].append(file[field])
        records += json.loads(path.with_suffix(".json").read_text())
    return {field: np.concatenate(v) for field, v in arrays.items()}, records


def main() -> None:
    parser = argparse.ArgumentParser(description="Render the films.")
    parser.add_argument("work", type=Path)
    parser.add_argument("--scenes", type=int, default=SCENES)
    options = parser.parse_args()
    render_all(options.work, options.scenes)


if __name__ == "__main__":
    main()
