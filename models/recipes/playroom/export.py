"""Write the trained models in the folders of diffusers and transformers, in 16 bits.

    python -m playroom.export WORK [FOLDER]       # from models/recipes; FOLDER is ../playroom

Beside them go held-out scenes for benchmarks: pictures with and without one of their solids, its
mask, the depth, and what is in them.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import torch
from diffusers import FluxControlPipeline, FluxFillPipeline, FluxPipeline
from PIL import Image

from playroom import data, networks, train
from playroom.judge import Judging
from playroom.scenes import CONTENTS

PIPELINES = {
    "flux": FluxPipeline,
    "flux-depth": FluxControlPipeline,
    "flux-fill": FluxFillPipeline,
}


def export(work: Path, folder: Path) -> None:
    """Everything that is trained; what is not yet is left out."""
    vae = train.trained_vae(work)
    for kind, pipeline in PIPELINES.items():
        if (work / f"{kind}.pt").exists():
            _pipeline(work, kind, pipeline, vae, folder / kind)
    if (work / "rooms.pt").exists():
        _rooms(work, vae, folder / "rooms")
    if (work / "segmenter.pt").exists():
        model = train.averaged(work, "segmenter", networks.build_segmenter())
        model.half().save_pretrained(_fresh(folder / "segmenter"))
    if (work / "depth.pt").exists():
        depth = train.averaged(work, "depth", networks.build_depth())
        depth.half().save_pretrained(_fresh(folder / "depth"))
        networks.depth_pictures().save_pretrained(folder / "depth")
    if (work / "judge.pt").exists():
        judging = Judging()
        train.averaged(work, "judge", judging.module)
        judging.model.half().save_pretrained(_fresh(folder / "judge"))
        judging.processor.save_pretrained(folder / "judge")
    held_out(work, folder / "held_out")


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _pipeline(work: Path, kind: str, pipeline: Any, vae: Any, folder: Path) -> None:
    flow: Any = train.averaged(work, kind, train.Flow(kind))
    clip, t5 = flow.tokenizers
    made = pipeline(
        transformer=flow.transformer,
        scheduler=networks.flow_scheduler(),
        vae=vae,
        text_encoder=flow.clip,
        text_encoder_2=flow.t5,
        tokenizer=clip,
        tokenizer_2=t5,
    )
    made.to(torch.float16).save_pretrained(_fresh(folder))
    vae.float()


def _rooms(work: Path, vae: Any, folder: Path) -> None:
    """A UNet over latents, and which class is which."""
    _fresh(folder)
    unet = train.averaged(work, "rooms", networks.build_rooms())
    unet.half().save_pretrained(folder / "unet")
    networks.noise_scheduler().save_pretrained(folder / "scheduler")
    vae.half().save_pretrained(folder / "vae")
    vae.float()
    index = {
        "_class_name": "DDPMPipeline",
        "id2label": {str(k): name for k, name in enumerate(CONTENTS)},
        "scheduler": ["diffusers", "DDPMScheduler"],
        "unet": ["diffusers", "UNet2DModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")


def held_out(work: Path, folder: Path) -> None:
    """Strips of pictures, one under the other, and a record for each."""
    arrays, pairs = data.load(work, "pairs")
    _fresh(folder)
    for name in ("image", "without", "depth", "segments"):
        strip = arrays[name].reshape(-1, *arrays[name].shape[2:])
        Image.fromarray(strip).save(folder / f"{name}.png", optimize=True)
    records = [
        {
            "caption": t["caption"],
            "chosen": t["chosen"],
            "parts": [
                {"box": [round(v, 4) for v in box], "text": text}
                for box, text in zip(t["boxes"], data.texts(t), strict=True)
            ],
        }
        for t in pairs
    ]
    rows = ",\n ".join(json.dumps(r) for r in records)
    (folder / "scenes.json").write_text(f"[{rows}]\n")


if __name__ == "__main__":
    own = Path(__file__).resolve().parent.parent.parent / "playroom"
    export(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else own)
