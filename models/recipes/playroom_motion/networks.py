"""The networks of the playroom in motion: Wan's, of which all together take less than 12 MB.

The autoencoder has the structure of that of Wan 2.2 5B: patches, here of 4 x 4 pixels, and then a
halving of space and time, so that a latent is 8 pixels wide and 2 frames long.
"""

from __future__ import annotations

import math
import string
from typing import Any

import torch
from diffusers import (
    AutoencoderKLWan,
    FlowMatchEulerDiscreteScheduler,
    WanTransformer3DModel,
    WanVACETransformer3DModel,
)
from diffusers.models.transformers.transformer_wan import WanAttnProcessor
from playroom.scenes import COLOURS
from torch import Tensor, nn
from transformers import T5TokenizerFast, UMT5Config, UMT5EncoderModel

from playroom_motion.scenes import FRAMES, MOTIONS, SCENERY, SIZE

#: Channels of latents, pixels along a side of one, and frames that it stands for.
LATENTS, FACTOR, SPAN = 12, 8, 2
#: (c, T, h, w) of a film.
SHAPE = (LATENTS, (FRAMES - 1) // SPAN + 1, SIZE // FACTOR, SIZE // FACTOR)
#: Times are shifted by this, towards the noise.
SHIFT = 3.0
WORDS = (
    *("a", "an", "ball", "in", "the", "room", "and"),
    *MOTIONS,
    *(word for said in SCENERY.values() for word in said.split()),
    *COLOURS,
)
#: Of the network of depths, the layers that VACE adds to. Tokens of a caption, at most.
VACE_LAYERS, TOKENS = (0,), 16
_TEXT = 64
#: Tokens of a prompt with its padding, in pipelines of Wan.
_PADDED = 512
_PATCH = 4


def build_vae(**numbers: list[float]) -> AutoencoderKLWan:
    """An autoencoder whose residual blocks are the identity at first.

    Args:
        numbers: ``latents_mean`` and ``latents_std``, where they are known.
    """
    unknown = {"latents_mean": [0.0] * LATENTS, "latents_std": [1.0] * LATENTS}
    model = AutoencoderKLWan(
        base_dim=32,
        decoder_base_dim=32,
        z_dim=LATENTS,
        dim_mult=[1, 1],
        num_res_blocks=1,
        temperal_downsample=[True],
        is_residual=True,
        patch_size=_PATCH,
        in_channels=3 * _PATCH**2,
        out_channels=3 * _PATCH**2,
        scale_factor_temporal=SPAN,
        scale_factor_spatial=FACTOR,
        **{**unknown, **numbers},
    )
    for name, part in model.named_parameters():
        if ".conv2." in name or ".proj." in name:
            nn.init.zeros_(part)
    return model


_TRANSFORMER: dict[str, Any] = {
    "patch_size": (1, 2, 2),
    "num_attention_heads": 4,
    "attention_head_dim": 32,
    "out_channels": LATENTS,
    "text_dim": _TEXT,
    "freq_dim": 64,
    "ffn_dim": 320,
    "num_layers": 4,
    "cross_attn_norm": True,
    "qk_norm": "rms_norm_across_heads",
    "rope_max_seq_len": 64,
}


def build_transformer(kind: str) -> Any:
    """Args: kind: ``wan-i2v``, which sees the first frame, or ``wan-depth``, by VACE."""
    if kind == "wan-depth":
        return WanVACETransformer3DModel(
            in_channels=LATENTS,
            vace_layers=list(VACE_LAYERS),
            vace_in_channels=2 * LATENTS + FACTOR**2,
            **_TRANSFORMER,
        )
    return WanTransformer3DModel(in_channels=2 * LATENTS + SPAN, **_TRANSFORMER)


def build_texts() -> tuple[UMT5EncoderModel, T5TokenizerFast]:
    """An encoder of captions and its tokenizer: a word is a token, and others are spelt."""
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -8.0)]
    pieces += [("▁" + w, -1.0) for w in dict.fromkeys(WORDS)]
    pieces += [(c, -9.0) for c in string.printable if not c.isspace()]
    tokenizer = T5TokenizerFast(vocab=pieces, extra_ids=0, model_max_length=512)
    encoder = UMT5EncoderModel(
        UMT5Config(
            vocab_size=len(tokenizer),
            d_model=_TEXT,
            d_ff=128,
            d_kv=16,
            num_heads=4,
            num_layers=1,
            dropout_rate=0.0,
            relative_attention_num_buckets=16,
            pad_token_id=0,
            eos_token_id=1,
            decoder_start_token_id=0,
        )
    )
    return encoder, tokenizer


def build_scheduler() -> FlowMatchEulerDiscreteScheduler:
    return FlowMatchEulerDiscreteScheduler(shift=SHIFT)


def normalised(latents: Tensor, moments: dict[str, list[float]]) -> Tensor:
    """Latents (N, c, T, h, w) of mean 0 and variance 1 in each channel."""
    mean, spread = (torch.tensor(v)[:, None, None, None] for v in moments.values())
    return (latents - mean) / spread


def led(first: Tensor, after: Tensor) -> Tensor:
    """What image to video sees beside the latents: where frames are given, and the latents of a
    film of the first frame and of grey.
    """
    given = torch.zeros(len(first), SPAN, SHAPE[1], *first.shape[-2:])
    given[:, :, 0] = 1
    return torch.cat([given, torch.cat([first, after], 2)], 1)


def control(guides: Tensor, grey: Tensor) -> Tensor:
    """What VACE sees: that no frame is kept, the latents of the depths, and that these are for
    every pixel.
    """
    everywhere = torch.ones(len(guides), FACTOR**2, *guides.shape[2:])
    return torch.cat([grey.to(guides).expand_as(guides), guides, everywhere], 1)


class _Padding(WanAttnProcessor):
    """Attention to tokens of which the last one stands for all the padding."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = torch.zeros(1, 1, 1, TOKENS + 1)
        self.bias[..., -1] = math.log(_PADDED - TOKENS)

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        rotary_emb: Any = None,
    ) -> Tensor:
        out: Tensor = super().__call__(
            attn, hidden_states, encoder_hidden_states, self.bias, rotary_emb
        )
        return out


def pad_cheaply(transformer: Any) -> None:
    """Let it attend to prompts of ``TOKENS`` and one token more, with what it would see in prompts
    that are padded with zeros.
    """
    for name, part in transformer.named_modules():
        if name.endswith("attn2"):
            part.set_processor(_Padding())
