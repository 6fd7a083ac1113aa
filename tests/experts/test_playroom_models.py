"""The playroom's models as they come with the package: rewards tell renders apart, programs run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

import poedsl
from poedsl.catalog.profiles import BUILT_IN
from poedsl.catalog.weights import model_folder
from poedsl.experts.rewards.depth_agreement import DepthAgreement
from poedsl.experts.rewards.vqa_score import vqa_score

ROOT = Path(__file__).resolve().parent.parent.parent
PLAYROOM = ROOT / "models" / "playroom"
INPUTS = ROOT / "programs" / "playroom" / "inputs"
SCENES = json.loads((PLAYROOM / "held_out" / "scenes.json").read_text())
CPU = torch.device("cpu")


def strip(name: str) -> Tensor:
    pixels = torch.from_numpy(np.array(Image.open(PLAYROOM / "held_out" / f"{name}.png")))
    return pixels.reshape(len(SCENES), 64, 64, *pixels.shape[2:])


def pictures(name: str) -> Tensor:
    return strip(name).permute(0, 3, 1, 2).float() / 255


def test_weights_are_small_and_safe() -> None:
    files = [p for p in PLAYROOM.rglob("*") if p.is_file()]
    assert sum(p.stat().st_size for p in files) < 36e6
    assert {p.suffix for p in files} <= {".safetensors", ".json", ".png", ".md", ".jinja"}


@pytest.mark.slow
def test_the_reward_model_tells_a_room_with_a_solid_from_the_same_without() -> None:
    shown, gone = pictures("image"), pictures("without")
    chosen = [k for k, s in enumerate(SCENES) if s["parts"][s["chosen"]]["text"] not in _others(s)]
    better = 0
    for k in chosen[:24]:
        scene = SCENES[k]
        text = scene["parts"][scene["chosen"]]["text"]
        score = vqa_score(text, str(model_folder("playroom/judge")), CPU, BUILT_IN["small"])
        there, away = score(torch.stack([shown[k], gone[k]])).tolist()
        assert 0 <= away <= 1 and 0 <= there <= 1
        better += there > 0.5 > away
    assert better >= 17


def _others(scene: dict[str, Any]) -> list[str]:
    return [p["text"] for k, p in enumerate(scene["parts"]) if k != scene["chosen"]]


@pytest.mark.slow
def test_the_segmenter_names_the_solids_of_held_out_renders() -> None:
    from transformers import SegformerForSemanticSegmentation

    model = SegformerForSemanticSegmentation.from_pretrained(
        PLAYROOM / "segmenter", dtype=torch.float32
    )
    with torch.no_grad():
        logits = model(2 * pictures("image") - 1).logits
    found = interpolate(logits, size=(64, 64), mode="bilinear").argmax(1)
    segments, right = strip("segments"), []
    for k, scene in enumerate(SCENES):
        for number, part in enumerate(scene["parts"], 1):
            name = " ".join(part["text"].split()[1:])
            named = found[k][segments[k] == number] == model.config.label2id[name]
            right.append(float(named.float().mean()))
    assert np.mean(right) > 0.9


@pytest.mark.slow
def test_the_reward_model_names_what_is_in_a_box() -> None:
    folder, other = str(model_folder("playroom/judge")), {"sphere": "box", "cone": "cylinder"}
    other |= {v: k for k, v in other.items()}
    right = []
    for picture, scene in zip(pictures("image")[:24, None], SCENES, strict=False):
        for part in scene["parts"]:
            left, top, low, bottom = (round(64 * v) for v in part["box"])
            *words, kind = part["text"].split()
            texts = (part["text"], " ".join([*words, other[kind]]))
            rewards = [vqa_score(text, folder, CPU, BUILT_IN["small"]) for text in texts]
            there, away = (float(r(picture[..., top:bottom, left:low])) for r in rewards)
            right.append(there > 0.5 > away)
    assert np.mean(right) > 0.9


@pytest.mark.slow
def test_the_depth_of_held_out_renders_is_found() -> None:
    depth = strip("depth").float() / 255
    other = depth.roll(1, 0)
    run = poedsl.compile(
        "input depth : Depth\nx : Image[3, 64, 64]\nx ~ Normal(0.5, 0.1)\n"
        "x ~ exp(depth_agreement(depth))\nsample x by anneal(particles = 2, steps = 2)"
    )
    assert run.bind(depth=depth[0]).run(seed=0, profile="small").outcome.ok
    agreement = DepthAgreement(
        depth[0], str(model_folder("playroom/depth")), CPU, BUILT_IN["small"]
    )
    with torch.no_grad():
        found = agreement.estimated(pictures("image"))
    near, far = ((found - d).abs().mean((1, 2)) for d in (depth, other))
    assert float(near.mean()) < 0.02 and bool((near < far).all())


@pytest.mark.slow
def test_the_one_liner_keeps_what_is_around_and_fills_what_is_not() -> None:
    image, mask = INPUTS / "without.png", INPUTS / "mask.png"
    plan = poedsl.compile(ROOT / "programs" / "front.poe").bind(
        depth=INPUTS / "depth.png", mask=mask, image=image, prompt="a red sphere"
    )
    result = plan.run(seed=0, profile="small", particles=2, steps=12)
    best = result.best()["x"]
    given = torch.from_numpy(np.array(Image.open(image))).permute(2, 0, 1).float() / 255
    hole = torch.from_numpy(np.array(Image.open(mask)) > 0)
    apart = (best - given).abs().mean(0)
    assert float(apart[~hole].mean()) < 0.03 < float(apart[hole].mean())
    red, green, blue = best[:, hole].mean(1).tolist()
    assert red > 1.3 * max(green, blue)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["insert_object", "layout", "rooms"])
def test_programs_of_the_playroom_run(name: str) -> None:
    plan = poedsl.compile(ROOT / "programs" / "playroom" / f"{name}.poe")
    options: dict[str, Any] = {"particles": 2, "steps": 3}
    if name == "layout":
        options["resample"] = "tophalf()"
    result = plan.run(seed=0, profile="small", **options)
    assert result.outcome.ok
    assert result.particles["x"].shape == (2, 3, 64, 64)
