"""The network of CLIP-FlanT5, from a folder of T5 and CLIP.

Source: Lin et al., Evaluating Text-to-Visual Generation with Image-to-Text Generation (2024).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from poedsl.experts.loading.cache import cached_by_folder
from poedsl.experts.loading.folder_loader import transformers_network
from poedsl.experts.loading.transformers_models import network, tensors
from poedsl.experts.loading.weight_files import listed, read_config

LAYOUT = (
    "CLIP-FlanT5 is T5's config.json with model_type clip_t5, its tokenizer, and safetensors files "
    "with the checkpoint's own names",
    "beside them vision/ holds the CLIPVisionModel openai/clip-vit-large-patch14-336 with its "
    "image processor",
)
#: The weights between CLIP and T5.
_PROJECTOR = tuple(f"mm_projector.{n}.{part}" for n in (0, 2) for part in ("weight", "bias"))
#: Options of the checkpoint's configuration for what T5 sees, and their values that are followed.
_OPTIONS = {
    "mm_projector_type": "mlp2x_gelu",
    "mm_vision_select_layer": -2,
    "mm_vision_select_feature": "patch",
}


class ClipFlanT5:
    """T5 that reads a text, then the patches of an image as tokens, then another text.

    Attributes:
        t5, vision: networks of transformers. layers: weights and biases of the two linear layers,
            with a GELU between them, from CLIP's patches of the last layer but one to T5's tokens.
    """

    def __init__(self, folder: str, device: torch.device, dtype: torch.dtype) -> None:
        from transformers import T5Config

        config = read_config(folder, "config.json")
        _expect_projector(config)
        t5_config = T5Config(**{k: v for k, v in config.items() if k != "model_type"})
        self.t5 = transformers_network(
            "T5ForConditionalGeneration",
            folder,
            dtype,
            elsewhere=("mm_projector.",),
            config=t5_config,
        ).to(device)
        self.vision = network("CLIPVisionModel", str(Path(folder) / "vision"), device, dtype)
        projector = tensors(folder, "mm_projector.")
        if unread := projector.keys() - set(_PROJECTOR):
            raise ValueError(f"its projector has further layers: {listed(unread)}")
        self.layers = [
            tuple(
                projector[f"mm_projector.{n}.{part}"].to(device, dtype)
                for part in ("weight", "bias")
            )
            for n in (0, 2)
        ]

    def logits(
        self,
        pixels: Float[Tensor, "N 3 h w"],
        before: Int[Tensor, " S"],
        after: Int[Tensor, " R"],
        labels: Int[Tensor, "N T"],
    ) -> Float[Tensor, "N T V"]:
        """Of each token of an answer, after those before it."""
        patches = self.vision(pixels, output_hidden_states=True).hidden_states[-2][:, 1:]
        (first, shift), (second, offset) = self.layers
        tokens = F.linear(F.gelu(F.linear(patches, first, shift)), second, offset)
        embed = self.t5.get_input_embeddings()
        texts = (embed(t).expand(len(pixels), -1, -1) for t in (before, after))
        read = torch.cat([next(texts), tokens, next(texts)], 1)
        logits: Tensor = self.t5(inputs_embeds=read, labels=labels).logits
        return logits


def _expect_projector(config: dict[str, Any]) -> None:
    """Whether the options of a configuration for what CLIP sees are those that are followed.

    Raises:
        ValueError: one is another.
    """
    for name, followed in _OPTIONS.items():
        if config.get(name, followed) != followed:
            raise ValueError(f"`{name}` in config.json is {config[name]!r}, not {followed!r}")


@cached_by_folder(maxsize=2)
def clip_flant5(folder: str, device: torch.device, dtype: torch.dtype) -> ClipFlanT5:
    return ClipFlanT5(folder, device, dtype)


def squared(
    x: Float[Tensor, "N 3 H W"], colour: Float[Tensor, "1 3 1 1"]
) -> Float[Tensor, "N 3 S S"]:
    """Pictures in the middle of squares of a colour."""
    height, width = x.shape[-2:]
    side = max(height, width)
    whole = colour.to(x).expand(len(x), 3, side, side).clone()
    top, left = (side - height) // 2, (side - width) // 2
    whole[..., top : top + height, left : left + width] = x
    return whole
