"""Tiny networks with random weights, each saved in a folder as transformers has it."""

from __future__ import annotations

import json
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers as tf
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from tokenizers.pre_tokenizers import ByteLevel
from torch import Tensor

SMALL = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
VISION = {**SMALL, "image_size": 16, "patch_size": 4}
T5 = {
    "d_model": 16,
    "d_ff": 16,
    "d_kv": 8,
    "num_heads": 2,
    "num_layers": 1,
    "feed_forward_proj": "gated-gelu",
    "tie_word_embeddings": False,
    "decoder_start_token_id": 0,
}
CHAT = (
    "{% for m in messages %}{{ m.role }}: {% for c in m.content %}{% if c.type == 'image' %}<image>"
    "{% else %}{{ c.text }}{% endif %}{% endfor %}{{ '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)
SPECIAL = ("<pad>", "</s>", "<s>", "<unk>", "<image>")


def pictures(count: int, height: int = 24, width: int = 20, seed: int = 0) -> Tensor:
    """Smooth pictures of 256 levels, (count, 3, height, width) in [0, 1]."""
    rough = torch.rand(count, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
    smooth = torch.nn.functional.interpolate(rough, (height, width), mode="bilinear")
    return (smooth * 255).round() / 255


def lively(model: Any, seed: int = 0) -> Any:
    """The model with weights so large that its output depends on what it sees."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.normal_(0, 0.3, generator=generator)
    return model.eval()


def image_processor(name: str, **options: Any) -> Any:
    """Of the kind with PIL, since the others need torchvision."""
    return (getattr(tf, f"{name}Pil", None) or getattr(tf, name))(**options)


def cropping(side: int = 16) -> Any:
    size = {"height": side, "width": side}
    return image_processor("CLIPImageProcessor", size={"shortest_edge": side}, crop_size=size)


def letters(special: Sequence[str] = SPECIAL) -> Any:
    """A tokenizer of single letters."""
    return _tokenizer([*special, *string.printable], pre_tokenizers.Split("", "isolated"), special)


def words(*known: str) -> Any:
    """A tokenizer of words between [CLS] and [SEP], as BERT's."""
    special = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
    built = _tokenizer([*special, ".", *known], pre_tokenizers.BertPreTokenizer(), special)
    built.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return built


def _tokenizer(vocabulary: list[str], split: Any, special: Sequence[str]) -> Any:
    pad, *_ = special
    unknown = next(s for s in special if "unk" in s.lower())
    built = Tokenizer(models.WordLevel({c: i for i, c in enumerate(vocabulary)}, unk_token=unknown))
    built.pre_tokenizer = split
    return tf.PreTrainedTokenizerFast(
        tokenizer_object=built,
        pad_token=pad,
        unk_token=unknown,
        additional_special_tokens=[s for s in special if s not in (pad, unknown)],
    )


def clip_tokenizer(length: int = 77) -> Any:
    alphabet = sorted(ByteLevel.alphabet())
    ends = [*(a + "</w>" for a in alphabet), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {t: i for i, t in enumerate([*alphabet, *ends])}
    return tf.CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=length)


def t5_tokenizer() -> Any:
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -2.0)]
    pieces += [(c, -3.0) for c in string.printable if not c.isspace()]
    return tf.T5TokenizerFast(vocab=pieces, extra_ids=0, model_max_length=2048)


def saved(folder: Path, *parts: Any) -> str:
    for part in parts:
        part.save_pretrained(folder)
    return str(folder)


# Vision-language models.


def llava(folder: Path) -> str:
    tokenizer = letters()
    config = tf.LlavaConfig(
        vision_config=tf.CLIPVisionConfig(**VISION),
        text_config=tf.LlamaConfig(
            **SMALL, vocab_size=len(tokenizer), num_key_value_heads=2, pad_token_id=0
        ),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-2,
        vision_feature_select_strategy="default",
        image_seq_length=16,
    )
    processor = tf.LlavaProcessor(
        image_processor=cropping(),
        tokenizer=tokenizer,
        patch_size=4,
        vision_feature_select_strategy="default",
        image_token="<image>",
        num_additional_image_tokens=1,
        chat_template=CHAT,
    )
    return saved(folder, lively(tf.LlavaForConditionalGeneration(config)), processor)


def instructblip(folder: Path) -> str:
    tokenizer = letters()
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    reader = words("a", "cat", "dog", "yes", "no")
    config = tf.InstructBlipConfig(
        vision_config=tf.InstructBlipVisionConfig(**VISION).to_dict(),
        qformer_config=tf.InstructBlipQFormerConfig(
            **SMALL, vocab_size=len(reader), encoder_hidden_size=16, max_position_embeddings=256
        ).to_dict(),
        text_config=tf.T5Config(**T5, vocab_size=len(tokenizer)).to_dict(),
        num_query_tokens=4,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    processor = tf.InstructBlipProcessor(
        image_processor=image_processor("BlipImageProcessor", size={"height": 16, "width": 16}),
        tokenizer=tokenizer,
        qformer_tokenizer=reader,
        num_query_tokens=4,
    )
    model = lively(tf.InstructBlipForConditionalGeneration(config))
    return saved(folder, model, processor)


def clip_flant5(folder: Path) -> str:
    """With the names and the configuration of its checkpoint."""
    tokenizer = t5_tokenizer()
    config = tf.T5Config(**T5, vocab_size=len(tokenizer))
    t5 = lively(tf.T5ForConditionalGeneration(config))
    weights = {k: v.clone().contiguous() for k, v in t5.state_dict().items()}
    generator = torch.Generator().manual_seed(1)
    for n in (0, 2):
        weights[f"mm_projector.{n}.weight"] = torch.randn(16, 16, generator=generator) / 4
        weights[f"mm_projector.{n}.bias"] = torch.randn(16, generator=generator) / 4
    save = {**config.to_dict(), "model_type": "clip_t5", "mm_projector_type": "mlp2x_gelu"}
    saved(folder, tokenizer)
    (folder / "config.json").write_text(json.dumps(save))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    vision = lively(tf.CLIPVisionModel(tf.CLIPVisionConfig(**VISION)))
    saved(folder / "vision", vision, cropping())
    return str(folder)


# CLIP, BLIP, detectors and depth.


def clip(folder: Path) -> str:
    tokenizer = clip_tokenizer()
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    text = {**SMALL, **ends, "vocab_size": len(tokenizer)}
    config = tf.CLIPConfig(text_config=text, vision_config=VISION, projection_dim=8)
    model = lively(tf.CLIPModel(config))
    return saved(folder, model, tokenizer, cropping())


def siglip(folder: Path) -> str:
    tokenizer = clip_tokenizer(16)
    text = {**SMALL, "vocab_size": len(tokenizer), "max_position_embeddings": 16}
    model = lively(tf.SiglipModel(tf.SiglipConfig(text_config=text, vision_config=VISION)))
    model.logit_scale.data.fill_(1.5)
    model.logit_bias.data.fill_(-2)
    eye = image_processor("SiglipImageProcessor", size={"height": 16, "width": 16})
    return saved(folder, model, tokenizer, eye)


def aesthetic(folder: Path) -> str:
    """CLIP, and a head as LAION names it."""
    clip(folder)
    save_file(head(8, "layers."), folder / "aesthetic.safetensors")
    return str(folder)


def head(width: int, prefix: str) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(2)
    out = {}
    for n, (a, b) in {0: (width, 6), 2: (6, 4), 4: (4, 1)}.items():
        out[f"{prefix}{n}.weight"] = torch.randn(b, a, generator=generator)
        out[f"{prefix}{n}.bias"] = torch.randn(b, generator=generator)
    return out


def blip(folder: Path) -> tuple[str, Any]:
    """ImageReward with the names of BLIP's code; and the same as transformers' model."""
    tokenizer = words("a", "cat", "dog")
    text = {**SMALL, "vocab_size": len(tokenizer), "encoder_hidden_size": 16}
    ends = {"bos_token_id": 2, "eos_token_id": 3, "sep_token_id": 3, "pad_token_id": 0}
    config = tf.BlipConfig(text_config={**text, **ends, "is_decoder": True}, vision_config=VISION)
    model = lively(tf.BlipForImageTextRetrieval(config))
    saved(folder, config, tokenizer, cropping())
    theirs = {_blip_name(k): v.contiguous() for k, v in model.state_dict().items()}
    save_file(theirs | head(16, "mlp.layers."), folder / "ImageReward.safetensors")
    return str(folder), model


def _blip_name(name: str) -> str:
    """As in Salesforce's code: ``blip.visual_encoder.blocks.0.attn.qkv.weight``."""
    if not name.startswith("vision_model."):
        return f"blip.{name}"
    pieces = {
        "embeddings.class_embedding": "cls_token",
        "embeddings.position_embedding": "pos_embed",
        "embeddings.patch_embedding": "patch_embed.proj",
        "encoder.layers": "blocks",
        "self_attn.projection": "attn.proj",
        "self_attn": "attn",
        "layer_norm": "norm",
        "post_layernorm": "norm",
    }
    own = name.removeprefix("vision_model.")
    for old, new in pieces.items():
        own = own.replace(old, new)
    return f"blip.visual_encoder.{own}"


def grounding_dino(folder: Path) -> str:
    tokenizer = words("a", "cat", "dog", "red")
    config = tf.GroundingDinoConfig(
        backbone_config=tf.SwinConfig(
            embed_dim=8,
            depths=[1, 1, 1, 1],
            num_heads=[1, 1, 2, 2],
            window_size=7,
            out_features=["stage2", "stage3", "stage4"],
        ),
        text_config=tf.BertConfig(
            **{**SMALL, "hidden_size": 8}, vocab_size=128, max_position_embeddings=64
        ),
        d_model=32,
        encoder_layers=1,
        decoder_layers=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        num_queries=10,
        max_text_len=32,
        disable_custom_kernels=True,
    )
    torch.manual_seed(0)
    size = {"shortest_edge": 96, "longest_edge": 128}
    processor = tf.GroundingDinoProcessor(
        image_processor=image_processor("GroundingDinoImageProcessor", size=size),
        tokenizer=tokenizer,
    )
    model = tf.GroundingDinoForObjectDetection(config).eval()
    with torch.no_grad():
        model.model.decoder.layer_norm.weight.mul_(0.1)
    return saved(folder, model, processor)


def owlv2(folder: Path) -> str:
    tokenizer = clip_tokenizer(16)
    text = {**SMALL, "vocab_size": len(tokenizer), "max_position_embeddings": 16}
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    config = tf.Owlv2Config(
        text_config={**text, **ends},
        vision_config={**VISION, "image_size": 32, "patch_size": 8},
        projection_dim=16,
    )
    processor = tf.Owlv2Processor(
        image_processor=image_processor("Owlv2ImageProcessor", size={"height": 32, "width": 32}),
        tokenizer=tokenizer,
    )
    return saved(folder, lively(tf.Owlv2ForObjectDetection(config)), processor)


def depth_anything(folder: Path, estimates: str = "relative") -> str:
    stages = ["stage1", "stage2", "stage3", "stage4"]
    config = tf.DepthAnythingConfig(
        backbone_config=tf.Dinov2Config(
            **{**SMALL, "num_hidden_layers": 4},
            image_size=28,
            patch_size=7,
            out_features=stages,
            reshape_hidden_states=False,
        ),
        reassemble_hidden_size=16,
        neck_hidden_sizes=[8, 8, 16, 16],
        fusion_hidden_size=8,
        patch_size=7,
        head_hidden_size=8,
        depth_estimation_type=estimates,
        max_depth=20 if estimates == "metric" else 1,
    )
    processor = image_processor(
        "DPTImageProcessor",
        size={"height": 28, "width": 28},
        ensure_multiple_of=7,
        keep_aspect_ratio=True,
    )
    return saved(folder, lively(tf.DepthAnythingForDepthEstimation(config)), processor)
