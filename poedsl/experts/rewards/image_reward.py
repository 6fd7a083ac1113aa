"""The reward `imagereward`: human preference for an image given a prompt, by BLIP."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.catalog.profiles import Profile
from poedsl.experts.loading.cache import cached_by_folder
from poedsl.experts.loading.folder_loader import transformers_config
from poedsl.experts.loading.load_warnings import warn
from poedsl.experts.loading.model_errors import loading
from poedsl.experts.loading.prompts import warn_if_cut
from poedsl.experts.loading.transformers_models import expect, processor, tensors
from poedsl.experts.loading.weight_files import listed
from poedsl.experts.rewards.image_preprocessing import ImagePreprocessor
from poedsl.experts.rewards.learned_reward import LearnedReward
from poedsl.experts.rewards.linear_head import LinearHead

#: Mean and standard deviation of the raw rewards of the training data, by which rewards are
#: normalised.
MEAN, DEVIATION = 0.16717362830052426, 1.0333394966054072
#: The maximal number of tokens of a prompt.
LENGTH = 35
LAYOUT = (
    "ImageReward is a BlipConfig as config.json, BERT's tokenizer, an image processor, and "
    "ImageReward.pt as safetensors, with its own names",
)
#: BLIP's names in their order of replacement, and those of transformers.
_NAMES = (
    ("blip.", ""),
    ("visual_encoder.", "vision_model."),
    ("vision_model.blocks.", "vision_model.encoder.layers."),
    (".attn.", ".self_attn."),
    (".self_attn.proj.", ".self_attn.projection."),
    (".norm1.", ".layer_norm1."),
    (".norm2.", ".layer_norm2."),
    ("vision_model.norm.", "vision_model.post_layernorm."),
    ("vision_model.cls_token", "vision_model.embeddings.class_embedding"),
    ("vision_model.pos_embed", "vision_model.embeddings.position_embedding"),
    ("vision_model.patch_embed.proj.", "vision_model.embeddings.patch_embedding."),
)


class Preference:
    """BLIP's two encoders and a head on the text's first token.

    Attributes:
        text, vision: encoders of transformers' BlipForImageTextRetrieval; the text's attends to
            the image's patches.
    """

    def __init__(self, folder: str, device: torch.device, dtype: torch.dtype) -> None:
        from transformers import BlipForImageTextRetrieval

        config = transformers_config("BlipConfig", folder)
        with torch.device("meta"):
            model = BlipForImageTextRetrieval(config)
        weights = {renamed(name): value for name, value in tensors(folder).items()}
        self.vision = _filled(model.vision_model, "vision_model.", weights, device, dtype)
        self.text = _filled(model.text_encoder, "text_encoder.", weights, device, dtype)
        head = {
            n.removeprefix("mlp.layers."): v for n, v in weights.items() if n.startswith("mlp.")
        }
        self.head = LinearHead(head, config.text_config.hidden_size, device)


def renamed(name: str) -> str:
    """A name of BLIP's weights as transformers has it."""
    for old, new in _NAMES:
        name = name.replace(old, new)
    return name


def _filled(
    part: Any, prefix: str, weights: dict[str, Tensor], device: torch.device, dtype: torch.dtype
) -> Any:
    """A part of a model with its weights, frozen; the positions of tokens are counted again."""
    part_weights = {n.removeprefix(prefix): v for n, v in weights.items() if n.startswith(prefix)}
    unread = part.load_state_dict(part_weights, strict=False, assign=True).unexpected_keys
    if unread:
        warn(
            "P1020",
            f"`imagereward` has no use for the weight {listed(map(prefix.__add__, unread))}",
            reader="imagereward",
            weights=len(unread),
        )
    for name, value in [*part.named_parameters(), *part.named_buffers()]:
        if not value.is_meta:
            continue
        if not name.endswith("position_ids"):
            raise ValueError(f"its weights lack {prefix}{name}")
        part.get_submodule(name.rpartition(".")[0]).position_ids = torch.arange(
            value.shape[-1], device="cpu"
        ).expand(1, -1)
    return part.to(device, dtype).eval().requires_grad_(False)


@cached_by_folder(maxsize=2)
def preference(folder: str, device: torch.device, dtype: torch.dtype) -> Preference:
    return Preference(folder, device, dtype)


class ImageReward(LearnedReward):
    """Preference for an image given a prompt, about -2 to 2 (Xu et al., ImageReward, 2023).

    Args:
        prompt: what the image shows, cut after 35 tokens. folder: of ImageReward's weights,
            under BLIP's names or those of transformers, beside a ``BlipConfig``, BERT's tokenizer
            and an image processor.

    Raises:
        PoeError: the folder holds something else, or the library is missing.
    """

    def __init__(
        self,
        prompt: str,
        folder: str,
        device: torch.device,
        profile: Profile,
        gradient: bool = False,
        frames: int = 4,
    ) -> None:
        super().__init__("imagereward", folder, device, profile, gradient, frames)
        expect(self.name, folder, ("blip",), *LAYOUT)
        with loading(self.name, folder, *LAYOUT):
            self.net = preference(folder, self.device, self.dtype)
            self.preprocess = ImagePreprocessor.from_folder(self.name, folder)
            tokenizer = processor("AutoTokenizer", folder)
            warn_if_cut(self.name, tokenizer, prompt, LENGTH)
            tokens = tokenizer([prompt], truncation=True, max_length=LENGTH, return_tensors="pt")
        self.tokens = tokens.input_ids.to(self.device)

    def score(self, x: Float[Tensor, "N 3 H W"]) -> Float[Tensor, " N"]:
        patches = self.net.vision(pixel_values=self.preprocess(x).to(self.dtype)).last_hidden_state
        read = self.net.text(
            input_ids=self.tokens.expand(len(x), -1), encoder_hidden_states=patches
        ).last_hidden_state
        return (self.net.head(read[:, 0]) - MEAN) / DEVIATION
