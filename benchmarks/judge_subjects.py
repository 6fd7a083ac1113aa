"""What transformers itself makes of the folders of judges."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import transformers as tf
from PIL import Image
from torch import Tensor

from poedsl.experts.loading.transformers_models import tensors
from tests.experts import tiny_rewards

PROMPT = "a cat"
LOCAL: dict[str, Any] = {"local_files_only": True}


def images(side: int) -> list[Image.Image]:
    """The pictures that are judged."""
    levels = (tiny_rewards.pictures(2, side, side) * 255).round().byte()
    return [Image.fromarray(p.permute(1, 2, 0).numpy()) for p in levels]


def seen(folder: str, side: int) -> Tensor:
    eye = tf.AutoImageProcessor.from_pretrained(folder, **LOCAL)
    pixels: Tensor = eye(images=images(side), return_tensors="pt").pixel_values
    return pixels


def read(folder: str, length: int, **options: Any) -> Any:
    tokenizer = tf.AutoTokenizer.from_pretrained(folder, **LOCAL)
    length = min(length, tokenizer.model_max_length)
    return tokenizer([PROMPT], truncation=True, max_length=length, return_tensors="pt", **options)


def clip(folder: str, side: int) -> tuple[Any, Tensor]:
    """CLIP, and its logits."""
    own = tf.CLIPModel.from_pretrained(folder, **LOCAL).eval()
    words = read(folder, own.config.text_config.max_position_embeddings)
    return own, own(pixel_values=seen(folder, side), **words).logits_per_image[:, 0]


def clipscore(folder: str, side: int) -> Tensor:
    own, logits = clip(folder, side)
    return logits / own.logit_scale.exp()


def pickscore(folder: str, side: int) -> Tensor:
    return clip(folder, side)[1]


def siglip(folder: str, side: int) -> Tensor:
    own = tf.SiglipModel.from_pretrained(folder, **LOCAL).eval()
    length = own.config.text_config.max_position_embeddings
    words = read(folder, length, padding="max_length")
    logits = own(pixel_values=seen(folder, side), **words).logits_per_image[:, 0]
    return logits.sigmoid().log()


def aesthetic(folder: str, side: int) -> Tensor:
    own = tf.CLIPModel.from_pretrained(folder, **LOCAL).eval()
    features = own.get_image_features(pixel_values=seen(folder, side)).pooler_output
    features = features / features.norm(dim=-1, keepdim=True)
    head = tensors(folder, "layers.")
    for n in (0, 2, 4):
        features = features @ head[f"layers.{n}.weight"].T + head[f"layers.{n}.bias"]
    return features[:, 0]


LIBRARY: Mapping[str, Callable[[str, int], Tensor]] = {
    f.__name__: f for f in (clipscore, pickscore, siglip, aesthetic)
}
