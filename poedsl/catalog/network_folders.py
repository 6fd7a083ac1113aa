"""Signatures of the models in folders of transformers, and of networks alone, from their
configuration files.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from poedsl.catalog.code_references import DefinitionError
from poedsl.catalog.folder_files import MODELS, height_and_width, is_size, unsupported, with_model
from poedsl.catalog.registry import SIGNATURES
from poedsl.catalog.signatures import Signature, SignatureParameter
from poedsl.grammar.types import INT, Type

#: Endings of the names of causal language models in transformers.
_CAUSAL = ("ForCausalLM", "LMHeadModel", "WithLMHead", "WithLMHeadModel")
#: ``model_type`` of causal language models whose folders may name their trunk, or nothing.
_CAUSAL_TYPES = (
    *("bloom", "falcon", "gemma", "gemma2", "gpt2", "gpt_neo", "gpt_neox", "gptj", "llama"),
    *("mistral", "mixtral", "mpt", "olmo", "olmo2", "openai-gpt", "opt", "phi", "phi3", "qwen2"),
    *("qwen3", "smollm3", "stablelm", "starcoder2"),
)
#: Networks beside a model, and the expert that takes them.
_CONTROLNETS = {
    "ControlNetModel": "sd_controlnet",
    "FluxControlNetModel": "flux_controlnet",
    "QwenImageControlNetModel": "qwen_controlnet",
    "SD3ControlNetModel": "sd3_controlnet",
}


def model_signature(place: str, config: dict[str, Any]) -> Signature:
    """The signature of a model by its ``config.json``.

    Raises:
        DefinitionError: no expert can use it (P0206).
    """
    listed = config.get("architectures")
    names = [n for n in listed if isinstance(n, str)] if isinstance(listed, list) else []
    if any(n.endswith("ForImageClassification") for n in names):
        return _classifier(place, config)
    if any(n.endswith(_CAUSAL) for n in names):
        return with_model(SIGNATURES["lm"], place)
    trunk = all(n.endswith("Model") for n in names)
    if trunk and config.get("model_type") in _CAUSAL_TYPES:
        return with_model(SIGNATURES["lm"], place)
    for name in names:
        if name in MODELS:
            return with_model(SIGNATURES[MODELS[name]], place)
    answers = any(n.endswith("ForConditionalGeneration") for n in names)
    if config.get("model_type") == "clip_t5" or (answers and "vision_config" in config):
        return with_model(SIGNATURES["vqascore"], place)
    if (network := str(config.get("_class_name"))) in _CONTROLNETS:
        message = f'the folder "{place}" holds a ControlNet, which is no expert by itself'
        call = f'{_CONTROLNETS[network]}(control, prompt, controlnet = "{place}")'
        note = f"it goes with a model: `{call}`"
        raise DefinitionError("P0206", message, note)
    description = ", ".join(names) or config.get("_class_name") or "a model of no known kind"
    raise unsupported(f'the folder "{place}" holds {description}, of which no expert is made')


def _classifier(place: str, config: dict[str, Any]) -> Signature:
    """The log-probability of a class, as that of the digits."""
    labels = config.get("id2label")
    classes = len(labels) if isinstance(labels, dict) else 0
    channels = config.get("num_channels")
    summary = f"class 0 to {classes - 1}" if classes else "class"
    sizes = height_and_width(config.get("image_size"))
    return replace(
        SIGNATURES["digit_score"],
        summary=f"log-probability of a class, by the classifier in {place}",
        parameters=(SignatureParameter("label", INT, "label", summary=summary, classes=classes),),
        domain=Type("Image", (channels if is_size(channels) else None, *sizes)),
        citation="",
        model=place,
    )
