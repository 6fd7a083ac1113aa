"""What the files of a model's folder say is followed, refused by name, or warned of."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as tf
from torch import Tensor

import poedsl
from poedsl.catalog.adapters import find_loras
from poedsl.compiler.compile import compile_source
from poedsl.experts.flows.flux import FluxFlow
from poedsl.experts.loading.folder_loader import transformers_processor
from poedsl.experts.rewards.classifier import ClassifierScore
from poedsl.experts.rewards.clip import ClipScore, unit
from poedsl.experts.rewards.image_preprocessing import ImagePreprocessor
from poedsl.grammar.source import Source
from tests.diagnostics import quoted, refused
from tests.experts import tiny, tiny_pipelines, tiny_rewards, tiny_words
from tests.experts.model_folders import CPU, PROFILE, edit, judged, rewrite, warnings_of, words
from tests.experts.test_rewards import images

SIDE = 24


def classifier(folder: Path, processor: Any = None, **options: Any) -> Path:
    """A classifier of colour pictures, with an image processor or without."""
    torch.manual_seed(0)
    config = tf.ResNetConfig(
        embedding_size=8,
        hidden_sizes=[8],
        depths=[1],
        layer_type="basic",
        num_labels=4,
        out_features=["stage1"],
        **options,
    )
    parts = [tiny_rewards.lively(tf.ResNetForImageClassification(config))]
    tiny_rewards.saved(folder, *parts, *([processor] if processor else []))
    return folder


def imagenet(side: int = 16) -> Any:
    """The processor of most classifiers, whose pictures are not in [-1, 1]."""
    return tiny_rewards.image_processor(
        "ViTImageProcessor",
        size={"height": side, "width": side},
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    )


def by_library(folder: Path, x: Tensor, label: int) -> Tensor:
    model = tf.AutoModelForImageClassification.from_pretrained(folder).eval()
    eye = tf.AutoImageProcessor.from_pretrained(folder)
    with torch.no_grad():
        seen = eye(images=images(x), return_tensors="pt").pixel_values
        return model(pixel_values=seen).logits.log_softmax(-1)[:, label]


def test_classifiers_see_what_the_image_processor_in_their_folder_prepares(tmp_path: Path) -> None:
    folder = classifier(tmp_path / "model", imagenet(SIDE))
    x = tiny_rewards.pictures(3, SIDE, SIDE)
    score = ClassifierScore(str(folder), 2, CPU)
    torch.testing.assert_close(score(x), by_library(folder, x, 2), rtol=1e-4, atol=1e-4)
    small = classifier(tmp_path / "small", imagenet(12))
    score = ClassifierScore(str(small), 2, CPU)
    torch.testing.assert_close(score(x), by_library(small, x, 2), rtol=0.03, atol=0.03)
    without = classifier(tmp_path / "without")
    plain = ClassifierScore(str(without), 2, CPU)(x)
    with torch.no_grad():
        expected = score.model(pixel_values=2 * x - 1).logits.log_softmax(-1)[:, 2]
    torch.testing.assert_close(plain, expected, rtol=1e-4, atol=1e-4)


def test_labels_that_do_not_exclude_each_other_have_no_distribution(tmp_path: Path) -> None:
    folder = classifier(tmp_path / "model", problem_type="multi_label_classification")
    with refused("P0206") as errors:
        ClassifierScore(str(folder), 2, CPU)
    assert "problem_type" in quoted(errors[0])


def test_a_processor_of_grey_pictures_is_warned_of(tmp_path: Path) -> None:
    folder = classifier(tmp_path / "model", imagenet(), num_channels=1)
    (found,) = warnings_of(lambda: ClassifierScore(str(folder), 2, CPU))
    assert found.code == "P1023"


def test_the_scale_of_levels_is_the_processor_s(tmp_path: Path) -> None:
    eye = tiny_rewards.image_processor(
        "CLIPImageProcessor",
        size={"shortest_edge": SIDE},
        crop_size={"height": SIDE, "width": SIDE},
        rescale_factor=1 / 260,
    )
    x = tiny_rewards.pictures(2, SIDE, SIDE)
    expected = eye(images=images(x), return_tensors="pt").pixel_values
    torch.testing.assert_close(
        ImagePreprocessor("clipscore", "", eye)(x), expected, atol=1e-5, rtol=0
    )


@pytest.mark.parametrize(("resample", "warned"), [(1, True), (3, False), (2, False), (4, True)])
def test_interpolations_that_torch_lacks_are_said(resample: int, warned: bool) -> None:
    eye = tiny_rewards.image_processor("CLIPImageProcessor", resample=resample)
    found = warnings_of(lambda: ImagePreprocessor("clipscore", "there", eye))
    assert [w.code for w in found] == ["P1023"] * warned
    still = tiny_rewards.image_processor("CLIPImageProcessor", resample=resample, do_resize=False)
    assert not warnings_of(lambda: ImagePreprocessor("clipscore", "there", still))


SAMPLED = {
    "temperature": 0.6,
    "top_p": 0.9,
    "top_k": 20,
    "repetition_penalty": 1.1,
    "suppress_tokens": [3],
    "forced_bos_token_id": 1,
}


@pytest.mark.parametrize("name", SAMPLED)
def test_options_of_the_library_s_sampler_are_warned_of(name: str, tmp_path: Path) -> None:
    tiny_words.causal(tmp_path, end="<end>")
    edit(tmp_path / "generation_config.json", do_sample=True, **{name: SAMPLED[name]})
    (found,) = warnings_of(lambda: words(tmp_path))
    assert found.code == "P1023" and f"`{name} = {SAMPLED[name]}`" in found.message


def test_options_that_change_no_probability_are_not(tmp_path: Path) -> None:
    tiny_words.causal(tmp_path, end="<end>")
    edit(tmp_path / "generation_config.json", temperature=1.0, top_p=1.0, top_k=50, max_length=9)
    assert not warnings_of(lambda: words(tmp_path))
    (tmp_path / "generation_config.json").unlink()
    assert not warnings_of(lambda: words(tmp_path))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("mm_projector_type", "linear"),
        ("mm_vision_select_layer", -1),
        ("mm_vision_select_feature", "cls_patch"),
    ],
)
def test_clip_flant5_follows_the_options_of_its_checkpoint(
    option: str, value: Any, tmp_path: Path
) -> None:
    tiny_rewards.clip_flant5(tmp_path)
    edit(tmp_path / "config.json", **{option: value})
    with refused("P0206") as errors:
        judged("clip_flant5", tmp_path)
    assert option in quoted(errors[0])


def test_a_projector_with_more_layers_is_refused(tmp_path: Path) -> None:
    tiny_rewards.clip_flant5(tmp_path)
    name = "mm_projector.4.weight"
    rewrite(tmp_path / "model.safetensors", lambda w: w.update({name: torch.ones(16, 16)}))
    with refused("P0206") as errors:
        judged("clip_flant5", tmp_path)
    assert name in quoted(errors[0])


def test_a_guidance_that_the_transformer_does_not_take_is_refused(place: Path) -> None:
    folder, shape = tiny.folder("flux_schnell", place), (tiny.LATENTS, 8, 8)
    FluxFlow("a cat", folder, shape, CPU, PROFILE)
    with refused("P0206") as errors:
        FluxFlow("a cat", folder, shape, CPU, PROFILE, guidance=9.0)
    assert "guidance_embeds" in quoted(errors[0])
    FluxFlow("a cat", tiny.folder("flux", place), shape, CPU, PROFILE, guidance=9.0)


def test_features_without_a_finite_length_are_no_direction(tmp_path: Path) -> None:
    tiny_rewards.clip(tmp_path)

    def enlarge(weights: dict[str, Tensor]) -> None:
        weights["text_projection.weight"] *= 1e30

    rewrite(tmp_path / "model.safetensors", enlarge)
    with refused("P0206"):
        ClipScore("a cat", str(tmp_path), CPU, PROFILE)
    found = unit(torch.tensor([[3.0, 4.0], [1e30, 1e30], [float("inf"), 0.0], [0.0, 0.0]]))
    torch.testing.assert_close(found[0], torch.tensor([0.6, 0.8]))
    assert bool(found[1:].isnan().all())


# Files that are none, and JSON that is too deep.


@pytest.mark.parametrize("target", ["gone", "model.safetensors"])
def test_links_to_nothing_hold_no_lora(target: str, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").symlink_to(target)
    with refused("P0701"):
        find_loras("flux", str(tmp_path))


def test_links_to_nothing_are_no_weights_of_a_pipeline(place: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_pipelines.folder("aura", place), tmp_path / "aura"))
    (weights,) = (folder / "transformer").glob("*.safetensors")
    weights.unlink()
    weights.symlink_to(weights.name)
    program = f'x : Image[3, 32, 32]\nx ~ pipeline("{folder}", prompt = "a cat")'
    assert not compile_source(Source(program)).diagnostics
    with refused("P0206"):
        poedsl.compile(program).run(particles=1, steps=1)


DEEP = '{"model_type": "clip", "x": ' + "[" * 100_000 + "]" * 100_000 + "}"


@pytest.mark.parametrize("file", ["config.json", "model.safetensors.index.json"])
def test_json_that_is_too_deep_is_refused(file: str, tmp_path: Path) -> None:
    tiny_rewards.clip(tmp_path)
    if file != "config.json":
        (tmp_path / "model.safetensors").unlink()
    (tmp_path / file).write_text(DEEP)
    with refused("P0206"):
        ClipScore("a cat", str(tmp_path), CPU, PROFILE)


@pytest.mark.parametrize("kind", ["clip", "T5 in a pipeline"])
def test_texts_that_are_longer_than_a_tokenizer_says_are_not_printed(
    kind: str, place: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """By no call of the tokenizer; where they are cut is said by a warning of the run."""
    if kind == "clip":
        folder, part = Path(tiny_rewards.clip(tmp_path / "clip")), ""
    else:
        folder, part = (
            Path(shutil.copytree(tiny_pipelines.folder("aura", place), tmp_path / "a")),
            "tokenizer",
        )
    edit(folder / part / "tokenizer_config.json", model_max_length=2)
    tokenizer = transformers_processor("AutoTokenizer", str(folder), part)
    logger = logging.getLogger("transformers")
    logger.addHandler(caplog.handler)
    try:
        tokenizer("a red cat")
    finally:
        logger.removeHandler(caplog.handler)
    assert "indexing errors" not in caplog.text
