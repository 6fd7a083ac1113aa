"""Flows over latents by transformers: Qwen-Image and Z-Image."""

from __future__ import annotations

from dataclasses import replace

from poedsl.catalog.parameters import (
    CONTROL,
    NEGATIVE,
    PROMPT,
    RGB_IMAGE,
    STRENGTH,
    controlnet_parameter,
    guidance_parameter,
    map_parameter,
    model_parameter,
)
from poedsl.catalog.signatures import Capability, Parameter, Signature
from poedsl.grammar.types import open_type

_FLOW: frozenset[Capability] = frozenset({"score", "sample", "gradient"})
_Z_IMAGE = "Z-Image Team, Z-Image: An Efficient Image Generation Foundation Model (2025)"
_QWEN = "Wu et al., Qwen-Image Technical Report (2025)"
#: The pipelines of Qwen-Image are guided away from a text of one space.
_SPACE = replace(NEGATIVE, default=" ")


def _qwen(
    name: str,
    summary: str,
    kind: str,
    *conditions: Parameter,
    further: tuple[Parameter, ...] = (),
) -> Signature:
    """An expert of Qwen-Image; further parameters come between guidance and model."""
    return Signature(
        name,
        "flow",
        summary,
        (
            *conditions,
            PROMPT,
            _SPACE,
            guidance_parameter(4.0),
            *further,
            model_parameter("Qwen/Qwen-Image"),
        ),
        domain=RGB_IMAGE,
        capabilities=_FLOW,
        cost=500.0,
        citation=_QWEN,
        implementation=f"poedsl.experts.flows.{kind}",
        requires="diffusers",
        space="Qwen-Image",
    )


TRANSFORMER_FLOWS = (
    _qwen("qwen_image", "text to image", "qwen_image:QwenImageFlow"),
    _qwen(
        "qwen_controlnet",
        "text and a control picture to image, by a ControlNet",
        "qwen_controlnet:QwenImageControlNet",
        CONTROL,
        further=(STRENGTH, controlnet_parameter("InstantX/Qwen-Image-ControlNet-Union")),
    ),
    _qwen(
        "qwen_fill",
        "inpainting by a ControlNet: keeps the image outside the mask, repaints inside",
        "qwen_controlnet:QwenImageFill",
        map_parameter("mask", open_type("Mask"), "1 where it repaints"),
        map_parameter("image", open_type("Image"), "the picture to fill in"),
        further=(STRENGTH, controlnet_parameter("InstantX/Qwen-Image-ControlNet-Inpainting")),
    ),
    Signature(
        "z_image",
        "flow",
        "text to image",
        (PROMPT, NEGATIVE, guidance_parameter(5.0), model_parameter("Tongyi-MAI/Z-Image")),
        domain=RGB_IMAGE,
        capabilities=_FLOW,
        cost=150.0,
        citation=_Z_IMAGE,
        implementation="poedsl.experts.flows.z_image:ZImageFlow",
        requires="diffusers",
        space="FLUX.1",
    ),
)
