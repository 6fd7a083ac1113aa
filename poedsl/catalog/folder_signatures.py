"""Signatures of the models in folders and on the hub, from their configuration files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeGuard

from poedsl.catalog.code_references import DefinitionError, is_file
from poedsl.catalog.registry import SIGNATURES
from poedsl.catalog.signatures import Parameter, Required, Signature
from poedsl.catalog.weights import file_notes, model_folder, single_files
from poedsl.grammar.errors import PoeError
from poedsl.grammar.types import INT, Type

#: Pipelines of diffusers, and the expert whose weights they hold.
_PIPELINES = {
    "FluxPipeline": "flux",
    "FluxControlPipeline": "flux_depth",
    "FluxFillPipeline": "flux_fill",
    "FluxKontextPipeline": "flux_kontext",
    "FluxControlNetPipeline": "flux_controlnet",
    "QwenImagePipeline": "qwen_image",
    "QwenImageControlNetPipeline": "qwen_controlnet",
    "QwenImageControlNetInpaintPipeline": "qwen_fill",
    "ZImagePipeline": "z_image",
    "Flux2Pipeline": "flux2",
    "Flux2KleinPipeline": "flux2_klein",
    "StableDiffusionPipeline": "sd",
    "StableDiffusionControlNetPipeline": "sd_controlnet",
    "StableDiffusionInpaintPipeline": "sd_inpaint",
    "StableDiffusionXLPipeline": "sdxl",
    "StableDiffusionXLControlNetPipeline": "sdxl_controlnet",
    "StableDiffusionXLInpaintPipeline": "sdxl_inpaint",
    "StableDiffusion3Pipeline": "sd3",
}
#: Endings of the names of causal language models in transformers.
_CAUSAL = ("ForCausalLM", "LMHeadModel", "WithLMHead", "WithLMHeadModel")
#: ``model_type`` of causal language models whose folders may name their trunk, or nothing.
_CAUSAL_TYPES = (
    *("bloom", "falcon", "gemma", "gemma2", "gpt2", "gpt_neo", "gpt_neox", "gptj", "llama"),
    *("mistral", "mixtral", "mpt", "olmo", "olmo2", "openai-gpt", "opt", "phi", "phi3", "qwen2"),
    *("qwen3", "smollm3", "stablelm", "starcoder2"),
)
#: Models of transformers, and the expert whose weights they are.
_MODELS = {
    "CLIPModel": "clipscore",
    "SiglipModel": "siglip",
    "GroundingDinoForObjectDetection": "detected",
    "MMGroundingDinoForObjectDetection": "detected",
    "Owlv2ForObjectDetection": "detected",
    "DepthAnythingForDepthEstimation": "depth_agreement",
    "DPTForDepthEstimation": "depth_agreement",
}
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_SUPPORTED = (
    "folders of diffusers: rectified flows with a UNet2DModel and classes, and "
    + ", ".join(_PIPELINES),
    "folders of transformers: image classifiers, causal language models, models of pictures and "
    "texts that answer questions, and " + ", ".join(_MODELS),
    "folders of GGUF: language models",
    'Python: "rewards.py:f", "package.module:f"',
)


def read_folder(place: str, base: Path) -> Signature:
    """The signature of the model in a folder, or of a model of the hub that an expert uses.

    Args:
        place: a path relative to ``base``, a model that comes with the package, or the id of a
            model of the hub.

    Raises:
        DefinitionError: there is no such folder, or no expert can use its model (P0206).
    """
    folder = _folder(place, base)
    if folder is None:
        return _hub_model(place)
    if is_file(folder / "model_index.json"):
        return _pipeline(place, folder, _json(folder / "model_index.json"))
    if is_file(folder / "config.json"):
        return _model(place, _json(folder / "config.json"))
    if any(folder.glob("*.gguf")):
        return _with_model(SIGNATURES["lm"], place)
    message = f'the folder "{place}" has no model_index.json and no config.json'
    raise _unsupported(message, *single_files(folder))


def model_place(signature: Signature, base: Path) -> str:
    """The folder of a signature's weights, as its implementation takes it.

    Args:
        base: the folder of the program, to which the folders of ``use`` statements are relative.
    """
    folder = None if signature.name in SIGNATURES else _below(base, signature.model)
    return signature.model if folder is None else str(folder)


def _folder(place: str, base: Path) -> Path | None:
    beside_program = _below(base, place)
    if beside_program is not None or not place:
        return beside_program
    try:
        return model_folder(place)
    except (PoeError, OSError, ValueError):
        return None


def _below(base: Path, place: str) -> Path | None:
    try:
        return base / place if place and (base / place).is_dir() else None
    except (OSError, ValueError):
        return None


def _json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _unsupported(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError):
        raise _unsupported(f"{path} is no JSON") from None
    if not isinstance(data, dict):
        raise _unsupported(f"{path} holds no record")
    return data


def _unsupported(message: str, *notes: str) -> DefinitionError:
    supported = (f"understood: {kind}" for kind in _SUPPORTED)
    return DefinitionError("P0206", message, *notes, *supported)


# Models of diffusers.


def _pipeline(place: str, folder: Path, index: dict[str, Any]) -> Signature:
    kind = index.get("_class_name")
    if isinstance(kind, str) and kind in _PIPELINES:
        name = _PIPELINES[kind]
        transformer = folder / "transformer" / "config.json"
        if name == "flux" and is_file(transformer):
            guided = _json(transformer).get("guidance_embeds", True)
            name = name if guided else "flux_schnell"
        signature = _with_own_controlnet(_with_model(SIGNATURES[name], place), place, index)
        return _with_default(signature, "guidance", 1.0) if index.get("is_distilled") else signature
    if index.get("unet") == ["diffusers", "UNet2DModel"]:
        return _flow(place, folder, index)
    raise _unsupported(f'the folder "{place}" holds a {kind}, of which no expert is made')


def _with_own_controlnet(signature: Signature, place: str, index: dict[str, Any]) -> Signature:
    """An expert with the ControlNet in the folder of its pipeline, where it takes one.

    Raises:
        DefinitionError: the folder has several, or none (P0206).
    """
    if signature.parameter("controlnet") is None:
        return signature
    named = index.get("controlnet")
    kind = str(named[-1]) if isinstance(named, list) and named else "no ControlNet"
    if not kind.endswith("ControlNetModel") or kind.endswith("MultiControlNetModel"):
        raise _unsupported(f'the folder "{place}" has {kind}, and experts take one ControlNet')
    return _with_default(signature, "controlnet", f"{place}/controlnet")


def _with_default(signature: Signature, name: str, default: float | str) -> Signature:
    """A signature with another default of a parameter."""
    changed = (replace(p, default=default) if p.name == name else p for p in signature.parameters)
    return replace(signature, parameters=tuple(changed))


def _flow(place: str, folder: Path, index: dict[str, Any]) -> Signature:
    """A rectified flow over pictures, as that of the digits."""
    scheduler = index.get("scheduler")
    if scheduler != ["diffusers", "FlowMatchEulerDiscreteScheduler"]:
        name = scheduler[-1] if isinstance(scheduler, list) and scheduler else "none"
        raise _unsupported(
            f'the folder "{place}" holds no rectified flow: its scheduler is {name}',
            "that of a rectified flow is FlowMatchEulerDiscreteScheduler",
        )
    path = folder / "unet" / "config.json"
    config = _json(path)
    channels, embedded = config.get("in_channels"), config.get("num_class_embeds")
    if not _is_size(channels) or config.get("out_channels") != channels:
        raise _unsupported(f"{path} is not of a flow: it has other channels out than in")
    if not _is_size(embedded) or embedded < 2:
        raise _unsupported(f"{path} has no classes: `num_class_embeds`, of which the last is none")
    classes = embedded - 1
    summary = f"class 0 to {classes - 1}; none: unconditional"
    return replace(
        SIGNATURES["digits"],
        summary=f"pictures, by the flow in {place}",
        parameters=(Parameter("label", INT, "label", None, summary, classes=classes),),
        domain=Type("Image", (channels, *_height_and_width(config.get("sample_size")))),
        citation="",
        model=place,
    )


def _height_and_width(size: object) -> tuple[int | None, int | None]:
    match size:
        case int() if _is_size(size):
            return size, size
        case [height, width] if _is_size(height) and _is_size(width):
            return height, width
        case _:
            return None, None


def _is_size(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


# Models of transformers.


def _model(place: str, config: dict[str, Any]) -> Signature:
    listed = config.get("architectures")
    names = [n for n in listed if isinstance(n, str)] if isinstance(listed, list) else []
    if any(n.endswith("ForImageClassification") for n in names):
        return _classifier(place, config)
    if any(n.endswith(_CAUSAL) for n in names):
        return _with_model(SIGNATURES["lm"], place)
    trunk = all(n.endswith("Model") for n in names)
    if trunk and config.get("model_type") in _CAUSAL_TYPES:
        return _with_model(SIGNATURES["lm"], place)
    for name in names:
        if name in _MODELS:
            return _with_model(SIGNATURES[_MODELS[name]], place)
    if config.get("_class_name") == "ControlNetModel":
        message = f'the folder "{place}" holds a ControlNet, which is no expert by itself'
        note = f'it goes with a model: `sd_controlnet(control, controlnet = "{place}")`'
        raise DefinitionError("P0206", message, note)
    answers = any(n.endswith("ForConditionalGeneration") for n in names)
    if config.get("model_type") == "clip_t5" or (answers and "vision_config" in config):
        return _with_model(SIGNATURES["vqascore"], place)
    description = ", ".join(names) or config.get("_class_name") or "a model of no known kind"
    raise _unsupported(f'the folder "{place}" holds {description}, of which no expert is made')


def _classifier(place: str, config: dict[str, Any]) -> Signature:
    """The log-probability of a class, as that of the digits."""
    labels = config.get("id2label")
    classes = len(labels) if isinstance(labels, dict) else 0
    channels = config.get("num_channels")
    summary = f"class 0 to {classes - 1}" if classes else "class"
    sizes = _height_and_width(config.get("image_size"))
    return replace(
        SIGNATURES["digit_score"],
        summary=f"log-probability of a class, by the classifier in {place}",
        parameters=(Parameter("label", INT, "label", summary=summary, classes=classes),),
        domain=Type("Image", (channels if _is_size(channels) else None, *sizes)),
        citation="",
        model=place,
    )


# Models that the experts of the language use.


def _with_model(signature: Signature, place: str) -> Signature:
    """An expert with its weights as the default of `model`, its last parameter."""
    others = tuple(p for p in signature.parameters if p.name != "model")
    fixed = (replace(p, default=place) for p in signature.parameters if p.name == "model")
    return replace(signature, parameters=(*others, *fixed))


def _hub_models() -> Iterator[tuple[str, Signature]]:
    for signature in SIGNATURES.values():
        model = signature.parameter("model")
        if model is not None and model.default and not isinstance(model.default, Required):
            yield str(model.default), signature


def _hub_model(place: str) -> Signature:
    signatures: dict[str, Signature] = {}
    for model, signature in _hub_models():
        signatures.setdefault(model, signature)
    if place in signatures:
        return _with_model(signatures[place], place)
    if place.endswith(".py"):
        message = f'"{place}" does not say which of its functions is meant'
        raise DefinitionError(
            "P0206", message, f'a function is named after a colon: "{place}:NAME"'
        )
    if not _HUB_ID.fullmatch(place):
        raise _unsupported(f'there is no folder "{place}"', *file_notes(Path(place)))
    raise _unsupported(
        f'"{place}" is neither a folder nor a model of the hub that an expert has',
        "what a model of the hub is can be seen only where it is fetched; name the expert: "
        f'`flux(model = "{place}")`',
    )
