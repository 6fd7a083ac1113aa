"""The rewards `clipscore` and `aesthetic`, from CLIP's features of an image."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from poedsl.catalog.profiles import Profile
from poedsl.experts.loading.model_errors import loading, unfit
from poedsl.experts.loading.prompts import warn_if_cut
from poedsl.experts.loading.transformers_models import expect, network, processor, tensors
from poedsl.experts.rewards.image_preprocessing import ImagePreprocessor
from poedsl.experts.rewards.learned_reward import LearnedReward
from poedsl.experts.rewards.linear_head import LinearHead

#: ``model_type`` of CLIP's image encoder alone, without and with the aesthetic head.
_VISION = ("clip_vision_model", "aesthetics_predictor")
#: Beginnings of the names of the aesthetic head's weights.
HEAD = ("layers.",)


class ClipScore(LearnedReward):
    """Cosine similarity of image and prompt, in [-1, 1] (Hessel et al. 2021, without its 2.5).

    Args:
        prompt: what the image shows, cut at the tokens that CLIP reads. folder: of a CLIPModel
            with its processor.

    Raises:
        PoeError: the folder holds something else, or the library is missing.
    """

    reward = "clipscore"

    def __init__(
        self,
        prompt: str,
        folder: str,
        device: torch.device,
        profile: Profile,
        gradient: bool = False,
        frames: int = 4,
    ) -> None:
        super().__init__(self.reward, folder, device, profile, gradient, frames)
        expect(self.name, folder, ("clip",))
        with loading(self.name, folder):
            self.net = network("CLIPModel", folder, self.device, self.dtype, HEAD)
            self.preprocess = ImagePreprocessor.from_folder(self.name, folder)
            self.text = text_direction(self.name, self.net, folder, prompt)

    def score(self, x: Float[Tensor, "N 3 H W"]) -> Float[Tensor, " N"]:
        return cosine(self.net, self.preprocess(x).to(self.dtype), self.text)


class PickScore(ClipScore):
    """PickScore: the cosine of a CLIP that was trained on preferences, times its learned scale.

    Of two images for one prompt, people prefer the first with probability sigmoid of the difference
    of their scores.

    Source: Kirstain et al., Pick-a-Pic (NeurIPS 2023), Eq. 2.
    """

    reward = "pickscore"

    def score(self, x: Float[Tensor, "N 3 H W"]) -> Float[Tensor, " N"]:
        scale: Tensor = self.net.logit_scale.float().exp()
        return scale * super().score(x)


class Aesthetic(LearnedReward):
    """LAION's aesthetic score, about 0 to 10: linear layers on the direction of CLIP's feature.

    Args:
        folder: of a CLIPModel or a CLIPVisionModelWithProjection with its image processor; the
            head's ``layers.N.weight`` and ``layers.N.bias``, as LAION names them, are in any of its
            safetensors files: beside CLIP's, or in a file of their own.

    Raises:
        PoeError: the folder holds something else, or the library is missing.

    Source: Schuhmann et al., LAION-5B (2022), and its improved aesthetic predictor.
    """

    def __init__(
        self,
        folder: str,
        device: torch.device,
        profile: Profile,
        gradient: bool = False,
        frames: int = 4,
    ) -> None:
        super().__init__("aesthetic", folder, device, profile, gradient, frames)
        layout = "it holds CLIP, and the head's layers.N.weight and layers.N.bias as safetensors"
        kind = expect(self.name, folder, ("clip", *_VISION), layout)
        self.whole = kind == "clip"
        name = "CLIPModel" if self.whole else "CLIPVisionModelWithProjection"
        with loading(self.name, folder, layout):
            self.net = network(name, folder, self.device, self.dtype, HEAD)
            self.preprocess = ImagePreprocessor.from_folder(self.name, folder)
            head = tensors(folder, "layers.")
            weights = {name.removeprefix("layers."): value for name, value in head.items()}
            self.head = LinearHead(weights, self.net.config.projection_dim, self.device)

    def score(self, x: Float[Tensor, "N 3 H W"]) -> Float[Tensor, " N"]:
        pixels = self.preprocess(x).to(self.dtype)
        return self.head(unit(self.features(pixels)))

    def features(self, pixels: Float[Tensor, "N 3 h w"]) -> Float[Tensor, "N d"]:
        """CLIP's projected features."""
        if self.whole:
            return pooled(self.net.get_image_features(pixel_values=pixels))
        features: Tensor = self.net(pixel_values=pixels).image_embeds
        return features


def pooled(features: Any) -> Float[Tensor, "N d"]:
    """The projected features of CLIP or SigLIP, out of what transformers returns them in."""
    projected: Tensor = features.pooler_output
    return projected


def text_direction(
    name: str, net: Any, folder: str, prompt: str, **options: Any
) -> Float[Tensor, "1 d"]:
    """The unit vector of a prompt, by the tokenizer of a folder with these options.

    Args:
        name: of the reward, for messages.

    Raises:
        PoeError: its features have none: their length is zero or not finite (P0206).
    """
    tokenizer = processor("AutoTokenizer", folder)
    length = min(tokenizer.model_max_length, net.config.text_config.max_position_embeddings)
    warn_if_cut(name, tokenizer, prompt, length)
    tokens = tokenizer(
        [prompt], truncation=True, max_length=length, return_tensors="pt", **options
    ).to(net.device)
    with torch.no_grad():
        direction = unit(pooled(net.get_text_features(**tokens)))
    if not bool(torch.isfinite(direction).all()):
        raise unfit(name, folder, "what its text encoder makes of the prompt has no direction")
    return direction


def cosine(
    net: Any, pixels: Float[Tensor, "N 3 h w"], text: Float[Tensor, "1 d"]
) -> Float[Tensor, " N"]:
    """The cosine of the angle between each image and the text."""
    return (unit(pooled(net.get_image_features(pixel_values=pixels))) * text).sum(-1)


def unit(features: Float[Tensor, "N d"]) -> Float[Tensor, "N d"]:
    """Features as vectors of length one; NaN where their length is zero or not finite."""
    wide = features.float()
    length = wide.norm(dim=-1, keepdim=True)
    usable = torch.isfinite(length) & (length > 0)
    return torch.where(usable, F.normalize(wide, dim=-1), math.nan)
