"""The playroom's networks, small enough that all of them take less than 25 MB."""

from __future__ import annotations

import re
import string
from typing import Any

from diffusers import (
    AutoencoderKL,
    DDPMScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxTransformer2DModel,
    UNet2DModel,
)
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    DPTConfig,
    DPTForDepthEstimation,
    SegformerConfig,
    SegformerForSemanticSegmentation,
    T5Config,
    T5EncoderModel,
    T5TokenizerFast,
)

from playroom.scenes import COLOURS, CONTENTS, KINDS, SIZE

#: Channels of latents, pixels along a side of one, and tokens of a prompt.
LATENTS, FACTOR, TOKENS = 4, 4, 20
WORDS = ("a", "an", "and", "empty", "room", "in", "the", "on", "floor", "with", *KINDS, *COLOURS)


def build_vae() -> AutoencoderKL:
    return AutoencoderKL(
        sample_size=SIZE,
        block_out_channels=(16, 32, 48),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1,
        latent_channels=LATENTS,
        norm_num_groups=8,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )


def build_transformer(channels: int) -> FluxTransformer2DModel:
    """``channels`` of a packed token: 4 x latents, and what is seen beside them."""
    return FluxTransformer2DModel(
        patch_size=1,
        in_channels=channels,
        out_channels=4 * LATENTS,
        num_layers=2,
        num_single_layers=4,
        attention_head_dim=32,
        num_attention_heads=4,
        joint_attention_dim=128,
        pooled_projection_dim=64,
        guidance_embeds=False,
        axes_dims_rope=(8, 12, 12),
    )


CHANNELS = {
    "flux": 4 * LATENTS,
    "flux-depth": 8 * LATENTS,
    "flux-fill": 8 * LATENTS + 4 * FACTOR**2,
}


def build_texts() -> dict[str, Any]:
    """CLIP's and T5's encoders and tokenizers: a word is a token, and others are spelt."""
    clip, t5 = clip_tokenizer(), t5_tokenizer()
    text_encoder = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(clip),
            hidden_size=64,
            intermediate_size=128,
            projection_dim=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=77,
            bos_token_id=clip.bos_token_id,
            eos_token_id=clip.eos_token_id,
            pad_token_id=clip.pad_token_id,
        )
    )
    text_encoder_2 = T5EncoderModel(
        T5Config(
            vocab_size=len(t5),
            d_model=128,
            d_ff=256,
            d_kv=32,
            num_heads=4,
            num_layers=2,
            feed_forward_proj="gated-gelu",
            pad_token_id=0,
            eos_token_id=1,
            decoder_start_token_id=0,
            relative_attention_num_buckets=16,
            dropout_rate=0.0,
        )
    )
    return {
        "text_encoder": text_encoder,
        "tokenizer": clip,
        "text_encoder_2": text_encoder_2,
        "tokenizer_2": t5,
    }


def clip_tokenizer() -> CLIPTokenizer:
    """Byte pairs that spell every word of a caption from its letters."""
    letters = sorted(ByteLevel.alphabet())
    tokens = [*letters, *(a + "</w>" for a in letters)]
    merges: list[tuple[str, str]] = []
    for word in dict.fromkeys(WORDS):
        parts = [*word[:-1], word[-1] + "</w>"]
        while len(parts) > 1:
            pair = (parts[0], parts[1])
            if pair not in merges:
                merges.append(pair)
            parts = ["".join(pair), *parts[2:]]
            if parts[0] not in tokens:
                tokens.append(parts[0])
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(
        vocab={t: i for i, t in enumerate(tokens)}, merges=merges, model_max_length=77
    )


def t5_tokenizer() -> T5TokenizerFast:
    """A piece for every word of a caption, and one for every character."""
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -8.0)]
    pieces += [("\u2581" + w, -1.0) for w in dict.fromkeys(WORDS)]
    pieces += [(c, -9.0) for c in string.printable if not c.isspace()]
    return T5TokenizerFast(vocab=pieces, extra_ids=0, model_max_length=TOKENS)


def flow_scheduler() -> FlowMatchEulerDiscreteScheduler:
    """Times evenly spaced: the pictures are small."""
    return FlowMatchEulerDiscreteScheduler(shift=1.0, use_dynamic_shifting=False)


def build_rooms() -> UNet2DModel:
    """Rooms by their contents, in latents; the last class is the unconditional one."""
    return UNet2DModel(
        sample_size=SIZE // FACTOR,
        in_channels=LATENTS,
        out_channels=LATENTS,
        block_out_channels=(48, 64),
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        norm_num_groups=8,
        attention_head_dim=16,
        num_class_embeds=len(CONTENTS) + 1,
    )


def noise_scheduler() -> DDPMScheduler:
    """Velocities at noise levels whose last has no signal left (Lin et al. 2024)."""
    return DDPMScheduler(
        prediction_type="v_prediction", rescale_betas_zero_snr=True, clip_sample=False
    )


def build_segmenter() -> SegformerForSemanticSegmentation:
    """What each pixel shows: the room, or a kind of solid in a colour."""
    names = ["room", *(f"{c} {k}" for k in KINDS for c in COLOURS)]
    return SegformerForSemanticSegmentation(
        SegformerConfig(
            num_channels=3,
            num_encoder_blocks=3,
            depths=[1, 1, 1],
            sr_ratios=[4, 2, 1],
            hidden_sizes=[24, 48, 96],
            patch_sizes=[5, 3, 3],
            strides=[2, 2, 2],
            num_attention_heads=[1, 2, 4],
            mlp_ratios=[2, 2, 2],
            decoder_hidden_size=96,
            id2label=dict(enumerate(names)),
            label2id={n: i for i, n in enumerate(names)},
        )
    )


def build_depth() -> DPTForDepthEstimation:
    """Relative inverse depth of a picture, of its size."""
    return DPTForDepthEstimation(
        DPTConfig(
            image_size=SIZE,
            patch_size=8,
            hidden_size=48,
            intermediate_size=96,
            num_hidden_layers=4,
            num_attention_heads=4,
            backbone_out_indices=[0, 1, 2, 3],
            neck_hidden_sizes=[16, 16, 24, 24],
            reassemble_factors=[2, 1, 0.5, 0.25],
            fusion_hidden_size=16,
            readout_type="ignore",
            hidden_dropout_prob=0.0,
            use_batch_norm_in_fusion_residual=False,
            is_hybrid=False,
        )
    )


def depth_pictures() -> Any:
    """How pictures are brought to the depth's network."""
    import transformers as tf

    return getattr(tf, "DPTImageProcessorPil", tf.DPTImageProcessor)(
        size={"height": SIZE, "width": SIZE}, image_mean=[0.5] * 3, image_std=[0.5] * 3
    )


def parameters(model: Any) -> int:
    return sum(p.numel() for p in model.parameters())


def spelt(text: str) -> bool:
    """Whether a caption has no word that is not known."""
    return all(w in WORDS for w in re.findall(r"\w+", text))
