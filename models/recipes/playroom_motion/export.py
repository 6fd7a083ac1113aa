"""Write the trained models in the folders of diffusers, in 16 bits, and some held-out scenes.

    python -m playroom_motion.export WORK [FOLDER]    # from models/recipes; FOLDER is ../playroom

The scenes are drawn from their seeds, so that any number of them can be rendered again; a dozen
have their first frames and captions beside the models.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import WanImageToVideoPipeline, WanVACEPipeline
from PIL import Image
from playroom.train import averaged

from playroom_motion import data, networks, train
from playroom_motion.scenes import render

PIPELINES: dict[str, Any] = {
    "wan-i2v": lambda **parts: WanImageToVideoPipeline(
        image_encoder=None, image_processor=None, **parts
    ),
    "wan-depth": WanVACEPipeline,
}
#: Held-out scenes that are kept as files.
KEPT = 12


def models(work: Path, folder: Path) -> None:
    """Everything that is trained; what is not yet is left out."""
    for kind, pipeline in PIPELINES.items():
        if (work / f"{kind}.pt").exists():
            flow: Any = averaged(work, kind, train.Flow(kind))
            made = pipeline(
                transformer=flow.transformer,
                scheduler=networks.build_scheduler(),
                vae=train.trained_vae(work),
                text_encoder=flow.text,
                tokenizer=flow.tokenizer,
            )
            made.to(torch.float16).save_pretrained(_fresh(folder / kind))


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def held_out(folder: Path, count: int) -> None:
    """Films as strips, a film a row and a frame a column, and a record of each."""
    _fresh(folder)
    scenes = [data.held_out(k) for k in range(count)]
    films = [render(scene) for scene in scenes]
    strips = {
        name: np.concatenate([np.concatenate(list(getattr(film, name)), 1) for film in films])
        for name in data.FIELDS
    }
    for name, strip in strips.items():
        levels = 255 * strip.astype(np.uint8) if strip.dtype == bool else strip
        Image.fromarray(levels).save(folder / f"{name}.png", optimize=True)
    rows = ",\n ".join(json.dumps(scene.as_json()) for scene in scenes)
    (folder / "scenes.json").write_text(f"[{rows}]\n")


if __name__ == "__main__":
    own = Path(__file__).resolve().parent.parent.parent / "playroom"
    target = Path(sys.argv[2]) if len(sys.argv) > 2 else own
    models(Path(sys.argv[1]), target)
    held_out(target / "held_out_films", KEPT)
