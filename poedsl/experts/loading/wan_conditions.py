"""What the networks of Wan are conditioned on: prompts by UMT5, first frames by CLIP."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.experts.loading.cache import cached_by_folder
from poedsl.experts.loading.folder_loader import transformers_network, transformers_processor
from poedsl.experts.loading.model_errors import evaluating, loading
from poedsl.experts.loading.prompts import warn_if_cut
from poedsl.experts.loading.shared_networks import PROMPTS, expect_finite, text_encoders

#: The tokens that the pipelines read of a prompt.
LENGTH = 512
_TEXTS = (("", "UMT5EncoderModel", "T5TokenizerFast"),)


@cached_by_folder(maxsize=PROMPTS)
def prompt(
    folder: str, text: str, device: torch.device, dtype: torch.dtype
) -> Float[Tensor, "1 S d"]:
    """The embedding of each token of a prompt, zero after its end.

    Raises:
        PoeError: the text encoder cannot be used, or is not finite (P0206).
    """
    pipeline = text_encoders("WanPipeline", folder, device, dtype, _TEXTS)
    with loading("", folder), torch.no_grad():
        warn_if_cut("text_encoder", pipeline.tokenizer, text, LENGTH)
        tokens, _ = pipeline.encode_prompt(
            prompt=text,
            do_classifier_free_guidance=False,
            max_sequence_length=LENGTH,
            device=device,
        )
    expect_finite(folder, text_encoder=tokens)
    encoded: Tensor = tokens
    return encoded


def picture(
    folder: str, image: Float[Tensor, "3 H W"], device: torch.device
) -> Float[Tensor, "1 N d"]:
    """What CLIP sees in each patch of a picture in [0, 1], before its last layer, in 32-bit floats.
    The network is freed again.

    Raises:
        PoeError: the encoder cannot be used, or is not finite (P0206).
    """
    with loading("", folder):
        network = transformers_network("CLIPVisionModel", folder, torch.float32, "image_encoder")
        processor = transformers_processor("CLIPImageProcessor", folder, "image_processor")
    levels = (image * 255).round().byte().cpu().permute(1, 2, 0).numpy()
    with evaluating("", folder), torch.no_grad():
        seen = processor(images=levels, return_tensors="pt").to(device)
        patches: Tensor = network.to(device)(**seen, output_hidden_states=True).hidden_states[-2]
    expect_finite(folder, image_encoder=patches)
    return patches
