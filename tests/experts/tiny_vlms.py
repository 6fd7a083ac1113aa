"""Tiny vision-language models of chats, with random weights, in the layout of their folders.

Their processors have parts for videos, which need torchvision. Each file is therefore saved by the
part that it is of, as on the hub.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import transformers as tf

from tests.experts import tiny_rewards as tiny

#: Tokens around a picture and the token of each of its patches, by families.
QWEN = ("<|vision_start|>", "<|image_pad|>", "<|vision_end|>", "<|video_pad|>")
INTERN = {
    "start_image_token": "<img>",
    "context_image_token": "<IMG_CONTEXT>",
    "end_image_token": "</img>",
    "video_token": "<video>",
}
SPECIAL = ("<pad>", "</s>", "<s>", "<unk>")
VISION = {
    "depth": 2,
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_heads": 2,
    "patch_size": 4,
    "out_hidden_size": 16,
}


def qwen2_5_vl(folder: Path) -> str:
    vision = {**VISION, "window_size": 16, "fullatt_block_indexes": [1]}
    return _qwen(folder, "Qwen2_5_VL", vision)


def qwen3_vl(folder: Path) -> str:
    vision = {**VISION, "num_position_embeddings": 16, "deepstack_visual_indexes": [0]}
    return _qwen(folder, "Qwen3VL", vision)


def _qwen(folder: Path, family: str, vision: dict[str, Any]) -> str:
    tokenizer = tiny.letters((*SPECIAL, *QWEN))
    names = ("vision_start", "image", "vision_end", "video")
    tokens = zip(names, tokenizer.convert_tokens_to_ids(list(QWEN)), strict=True)
    rotary = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 1, 1]}
    config = getattr(tf, f"{family}Config")(
        text_config=_text(len(tokenizer)) | {"head_dim": 8, "rope_parameters": rotary},
        vision_config=vision,
        **{f"{name}_token_id": token for name, token in tokens},
    )
    size = {"shortest_edge": 16 * 16, "longest_edge": 32 * 32}
    eye = tiny.image_processor("Qwen2VLImageProcessor", patch_size=4, size=size)
    model = tiny.lively(getattr(tf, f"{family}ForConditionalGeneration")(config))
    tiny.saved(folder, model, tokenizer, eye)
    return _with_processor(folder, "".join(QWEN[:3]), {"processor_class": f"{family}Processor"})


def internvl(folder: Path) -> str:
    tokenizer = tf.PreTrainedTokenizerFast(
        tokenizer_object=tiny.letters((*SPECIAL, *INTERN.values())).backend_tokenizer,
        pad_token="<pad>",
        unk_token="<unk>",
        extra_special_tokens=INTERN,
    )
    vision = {**tiny.SMALL, "image_size": [16, 16], "patch_size": [4, 4]}
    config = tf.InternVLConfig(
        vision_config=vision,
        text_config=tf.Qwen2Config(**_text(len(tokenizer))),
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=4,
    )
    eye = tiny.image_processor("GotOcr2ImageProcessor", size={"height": 16, "width": 16})
    model = tiny.lively(tf.InternVLForConditionalGeneration(config))
    tiny.saved(folder, model, tokenizer, eye)
    written = {"processor_class": "InternVLProcessor", "image_seq_length": 4}
    return _with_processor(folder, "<IMG_CONTEXT>", written)


def _text(vocabulary: int) -> dict[str, Any]:
    return {
        **tiny.SMALL,
        "num_key_value_heads": 1,
        "vocab_size": vocabulary,
        "bos_token_id": 2,
        "eos_token_id": 1,
        "pad_token_id": 0,
        "tie_word_embeddings": False,
    }


def _with_processor(folder: Path, picture: str, written: dict[str, Any]) -> str:
    template = tiny.CHAT.replace("<image>", picture)
    (folder / "chat_template.jinja").write_text(template)
    (folder / "processor_config.json").write_text(json.dumps(written))
    return str(folder)
