"""Signatures of the pipelines in folders of diffusers, from their configuration files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from poedsl.catalog.code_references import DefinitionError
from poedsl.catalog.folder_files import (
    height_and_width,
    is_size,
    read_json,
    unsupported,
    with_model,
)
from poedsl.catalog.parameters import RGB_FILM, RGB_IMAGE
from poedsl.catalog.pipeline_calls import pipeline_call
from poedsl.catalog.pipeline_signatures import pipeline_signature
from poedsl.catalog.registry import SIGNATURES
from poedsl.catalog.signatures import LATENTS, Signature, SignatureParameter
from poedsl.grammar.program_files import is_file
from poedsl.grammar.types import INT, Type

#: Pipelines of diffusers, and the expert whose weights they hold.
_PIPELINES = {
    "FluxPipeline": "flux",
    "FluxControlPipeline": "flux_depth",
    "FluxFillPipeline": "flux_fill",
    "StableDiffusionPipeline": "sd",
    "StableDiffusionControlNetPipeline": "sd_controlnet",
    "StableDiffusionInpaintPipeline": "sd_inpaint",
    "StableDiffusionXLPipeline": "sdxl",
    "StableDiffusionXLControlNetPipeline": "sdxl_controlnet",
    "StableDiffusionXLInpaintPipeline": "sdxl_inpaint",
    "StableDiffusion3Pipeline": "sd3",
    "StableDiffusion3ControlNetPipeline": "sd3_controlnet",
    "StableDiffusion3ControlNetInpaintingPipeline": "sd3_fill",
    "FluxKontextPipeline": "flux_kontext",
    "FluxControlNetPipeline": "flux_controlnet",
    "QwenImagePipeline": "qwen_image",
    "QwenImageControlNetPipeline": "qwen_controlnet",
    "QwenImageControlNetInpaintPipeline": "qwen_fill",
    "ZImagePipeline": "z_image",
    "Flux2Pipeline": "flux2",
    "Flux2KleinPipeline": "flux2_klein",
    "WanPipeline": "wan_t2v",
    "WanImageToVideoPipeline": "wan_i2v",
    "WanVACEPipeline": "wan_depth",
}
#: The part of pipelines that decodes latents, and those that are evaluated at each step.
_AUTOENCODER, _NETWORKS = "vae", ("transformer", "unet")


def dedicated_signature(place: str, folder: Path, index: dict[str, Any]) -> Signature | None:
    """The expert of the language for a pipeline, or None."""
    kind = index.get("_class_name")
    if isinstance(kind, str) and kind in _PIPELINES:
        name = _PIPELINES[kind]
        transformer = folder / "transformer" / "config.json"
        if name == "flux" and is_file(transformer):
            guided = read_json(transformer).get("guidance_embeds", True)
            name = name if guided else "flux_schnell"
        signature = _with_own_controlnet(with_model(SIGNATURES[name], place), place, index)
        return _with(signature, "guidance", default=1.0) if index.get("is_distilled") else signature
    flow = index.get("scheduler") == ["diffusers", "FlowMatchEulerDiscreteScheduler"]
    if index.get("unet") == ["diffusers", "UNet2DModel"] and flow:
        return _flow(place, folder)
    return None


def by_its_call(place: str, folder: Path, index: dict[str, Any]) -> Signature:
    """Any pipeline, by the call of its class."""
    kind = index.get("_class_name")
    if not isinstance(kind, str):
        raise unsupported(f"{folder / 'model_index.json'} names no class: `_class_name`")
    parts = {name for name, value in index.items() if isinstance(value, list) and any(value)}
    network = next((folder / n for n in _NETWORKS if n in parts), folder)
    weights = (p for p in network.glob("*.safetensors") if is_file(p))
    size = sum(p.stat().st_size for p in weights) / 1e9
    call = pipeline_call(kind)
    films = call is not None and call.makes_films
    seen = call is not None and call.parameter("image") is not None
    if films and seen and index.get("expand_timesteps"):
        message = f'the folder "{place}" holds a {kind}, by whose call no expert is made: its first'
        message += " frame is no part of what it samples (`expand_timesteps`)"
        raise DefinitionError("P0211", message)
    if _AUTOENCODER in parts:
        domain = RGB_FILM if films else RGB_IMAGE
        return pipeline_signature(place, kind, domain, LATENTS, size)
    config = read_json(network / "config.json") if is_file(network / "config.json") else {}
    channels = config.get("in_channels", 3)
    why = ""
    if not is_size(channels) or channels not in (1, 3):
        why = f"it samples {channels} channels, and has no autoencoder that makes pictures of them"
    elif config.get("num_class_embeds"):
        why = f'its network takes a class; try `unet(label, model = "{place}")`'
    if why:
        message = f'the folder "{place}" holds a {kind}, by whose call no expert is made: {why}'
        raise DefinitionError("P0211", message)
    domain = Type("Image", (channels, *height_and_width(config.get("sample_size"))))
    return pipeline_signature(place, kind, domain, "", size)


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
        raise unsupported(f'the folder "{place}" has {kind}, and experts take one ControlNet')
    summary = "hub id or folder of another ControlNet; none: the one in the folder of the model"
    return _with(signature, "controlnet", default=None, summary=summary)


def _with(signature: Signature, name: str, **fields: Any) -> Signature:
    """A signature with other fields of a parameter."""
    changed = (replace(p, **fields) if p.name == name else p for p in signature.parameters)
    return replace(signature, parameters=tuple(changed))


def _flow(place: str, folder: Path) -> Signature:
    """A rectified flow over pictures, as that of the digits."""
    path = folder / "unet" / "config.json"
    config = read_json(path)
    channels, embedded = config.get("in_channels"), config.get("num_class_embeds")
    if not is_size(channels) or config.get("out_channels") != channels:
        raise unsupported(f"{path} is not of a flow: it has other channels out than in")
    if not is_size(embedded) or embedded < 2:
        raise unsupported(f"{path} has no classes: `num_class_embeds`, of which the last is none")
    classes = embedded - 1
    summary = f"class 0 to {classes - 1}; none: unconditional"
    return replace(
        SIGNATURES["digits"],
        summary=f"pictures, by the flow in {place}",
        parameters=(SignatureParameter("label", INT, "label", None, summary, classes=classes),),
        domain=Type("Image", (channels, *height_and_width(config.get("sample_size")))),
        citation="",
        model=place,
    )
