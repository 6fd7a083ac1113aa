"""Held-out scenes of the playroom, and the models that score samples of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

import poedsl
from poedsl.catalog.profiles import BUILT_IN
from poedsl.catalog.weights import model_folder
from poedsl.experts.rewards.vqa_score import vqa_score

CPU = torch.device("cpu")
SIZE = 64
PROGRAMS = Path(__file__).resolve().parent.parent / "programs" / "playroom"
#: What a segmentation holds where there is no solid.
ROOM = 0


@dataclass(frozen=True)
class Scene:
    """A held-out scene: pictures (3, 64, 64) in [0, 1], depth and segments (64, 64).

    Attributes:
        without: the picture without the chosen solid. chosen: which it is. parts: of each solid
            its box and what it is called, from left to right.
    """

    caption: str
    chosen: int
    parts: list[dict[str, Any]]
    image: Tensor
    without: Tensor
    depth: Tensor
    segments: Tensor

    @property
    def text(self) -> str:
        return str(self.parts[self.chosen]["text"])

    @property
    def solid(self) -> Tensor:
        """Where the chosen solid is, (64, 64)."""
        return (self.segments == self.chosen + 1).float()

    @property
    def mask(self) -> Tensor:
        """The same, three pixels wider."""
        return F.max_pool2d(self.solid[None, None], 7, 1, 3)[0, 0]


def scenes(count: int) -> list[Scene]:
    """The first held-out scenes."""
    folder = model_folder("playroom/held_out")
    scenes = json.loads((folder / "scenes.json").read_text())

    def strip(name: str) -> Tensor:
        pixels = torch.from_numpy(np.array(Image.open(folder / f"{name}.png")))
        return pixels.reshape(len(scenes), SIZE, SIZE, *pixels.shape[2:])

    image, without = (strip(n).permute(0, 3, 1, 2).float() / 255 for n in ("image", "without"))
    depth, segments = strip("depth").float() / 255, strip("segments")
    return [
        Scene(t["caption"], t["chosen"], t["parts"], image[k], without[k], depth[k], segments[k])
        for k, t in enumerate(scenes[:count])
    ]


class Critics:
    """The reward model, the segmenter and the depth estimator that come with the playroom."""

    def __init__(self) -> None:
        from transformers import DPTForDepthEstimation, SegformerForSemanticSegmentation

        self.segmenter = SegformerForSemanticSegmentation.from_pretrained(
            model_folder("playroom/segmenter"), dtype=torch.float32
        ).eval()
        self.numbers = {name: k for k, name in self.segmenter.config.id2label.items()}
        self.estimator = DPTForDepthEstimation.from_pretrained(
            model_folder("playroom/depth"), dtype=torch.float32
        ).eval()
        self.black_box: dict[str, Any] = {}

    def score(self, pictures: Tensor, prompt: str) -> Tensor:
        """Probability that pictures (N, 3, 64, 64) show a prompt, (N,)."""
        if prompt not in self.black_box:
            folder = str(model_folder("playroom/judge"))
            self.black_box[prompt] = vqa_score(prompt, folder, CPU, BUILT_IN["small"])
        found: Tensor = self.black_box[prompt](pictures)
        return found

    def score_of_boxes(self, picture: Tensor, parts: list[dict[str, Any]]) -> float:
        """Mean over parts of the probability that a box of a picture (1, 3, 64, 64) shows its."""
        each = []
        for part in parts:
            left, top, right, bottom = (round(SIZE * v) for v in part["box"])
            each.append(float(self.score(picture[..., top:bottom, left:right], part["text"])))
        return sum(each) / len(each)

    def classes(self, pictures: Tensor) -> Tensor:
        """What each pixel shows, (N, 64, 64)."""
        with torch.no_grad():
            logits = self.segmenter(2 * pictures - 1).logits
        return F.interpolate(logits, size=(SIZE, SIZE), mode="bilinear").argmax(1)

    def depths(self, pictures: Tensor) -> Tensor:
        """Relative inverse depth, (N, 64, 64)."""
        with torch.no_grad():
            found: Tensor = self.estimator(2 * pictures - 1).predicted_depth
        return found

    def overlap(self, pictures: Tensor, parts: list[dict[str, Any]]) -> Tensor:
        """Mean over parts of the overlap of a box with that of the solid found there, (N,)."""
        classes = self.classes(pictures)
        each = []
        for part in parts:
            _, colour, kind = part["text"].split()
            wanted = torch.tensor(part["box"]) * SIZE
            found = classes == self.numbers[f"{colour} {kind}"]
            each.append(torch.stack([overlap(one, wanted) for one in found]))
        return torch.stack(each).mean(0)


def overlap(found: Tensor, box: Tensor) -> Tensor:
    """Intersection over union of a box with that about the pixels found near it."""
    left, top, right, bottom = (float(v) for v in box)
    margin = 6
    near = torch.zeros_like(found)
    near[
        max(0, int(top) - margin) : int(bottom) + margin,
        max(0, int(left) - margin) : int(right) + margin,
    ] = True
    rows = (found & near).any(1).nonzero().flatten()
    columns = (found & near).any(0).nonzero().flatten()
    if not len(rows):
        return torch.zeros(())
    own = [float(columns[0]), float(rows[0]), float(columns[-1]) + 1, float(rows[-1]) + 1]
    wide = max(0.0, min(own[2], right) - max(own[0], left))
    tall = max(0.0, min(own[3], bottom) - max(own[1], top))
    both = wide * tall
    union = (own[2] - own[0]) * (own[3] - own[1]) + (right - left) * (bottom - top) - both
    return torch.tensor(both / union)


def drawn(program: str, seed: int, values: dict[str, Any], **options: Any) -> poedsl.Result:
    """A run of a program with the playroom's models."""
    names = {i.name for i in poedsl.compile(program).spec.inputs}
    plan = poedsl.compile(program).bind(**{k: v for k, v in values.items() if k in names})
    return plan.run(seed=seed, profile="small", **options)
