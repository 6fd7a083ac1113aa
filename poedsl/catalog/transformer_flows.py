"""Flows over latents by transformers: Qwen-Image, Z-Image and FLUX.2."""

from __future__ import annotations

from dataclasses import replace

from poedsl.catalog.parameters import (
    LORA,
    NEGATIVE,
    PROMPT,
    RGB_IMAGE,
    STRENGTH,
    controlnet_parameter,
    distilled_parameter,
    guidance_parameter,
    map_parameter,
    model_parameter,
)
from poedsl.catalog.signatures import Capability, Parameter, Signature
from poedsl.grammar.types import open_type

_FLOW: frozenset[Capability] = frozenset({"score", "sample", "gradient"})
_REFERENCE = Parameter(
    "image", open_type("Image"), "condition", None, "a picture that the text refers to; none: none"
)
_FLUX2 = "Black Forest Labs, FLUX.2 (2025)"
#: The pipelines of Qwen-Image are guided away from a text of one space.
_SPACE = replace(NEGATIVE, default=" ")


def _flow(
    name: str,
    summary: str,
    kind: str,
    *parameters: Parameter,
    space: str,
    cost: float,
    citation: str,
) -> Signature:
    return Signature(
        name,
        "flow",
        summary,
        (*parameters, LORA),
        domain=RGB_IMAGE,
        capabilities=_FLOW,
        cost=cost,
        citation=citation,
        implementation=f"poedsl.experts.flows.{kind}",
        requires="diffusers",
        space=space,
    )


def _qwen(name: str, summary: str, kind: str, *parameters: Parameter) -> Signature:
    return _flow(
        name,
        summary,
        kind,
        *parameters,
        _SPACE,
        guidance_parameter(4.0),
        model_parameter("Qwen/Qwen-Image"),
        space="Qwen-Image",
        cost=500.0,
        citation="Wu et al., Qwen-Image Technical Report (2025)",
    )


TRANSFORMER_FLOWS = (
    _qwen("qwen_image", "text to image", "qwen_image:QwenImageFlow", PROMPT),
    _qwen(
        "qwen_controlnet",
        "text and a control picture to image, by a ControlNet",
        "qwen_controlnet:QwenImageControlNet",
        map_parameter("control", open_type("Image"), "edges, depth, a pose, by the ControlNet"),
        PROMPT,
        STRENGTH,
        controlnet_parameter("InstantX/Qwen-Image-ControlNet-Union"),
    ),
    _qwen(
        "qwen_fill",
        "inpainting by a ControlNet: keeps the image outside the mask, repaints inside",
        "qwen_controlnet:QwenImageFill",
        map_parameter("mask", open_type("Mask"), "1 where it repaints"),
        map_parameter("image", open_type("Image"), "the picture to fill in"),
        PROMPT,
        STRENGTH,
        controlnet_parameter("InstantX/Qwen-Image-ControlNet-Inpainting"),
    ),
    _flow(
        "z_image",
        "text to image",
        "z_image:ZImageFlow",
        PROMPT,
        NEGATIVE,
        guidance_parameter(5.0),
        model_parameter("Tongyi-MAI/Z-Image"),
        space="FLUX.1",
        cost=150.0,
        citation="Z-Image Team, Z-Image: An Efficient Image Generation Foundation Model (2025)",
    ),
    _flow(
        "flux2",
        "text to image, and to a picture changed as the text says",
        "flux2:Flux2Flow",
        PROMPT,
        distilled_parameter(4.0),
        _REFERENCE,
        model_parameter("black-forest-labs/FLUX.2-dev"),
        space="FLUX.2",
        cost=800.0,
        citation=_FLUX2,
    ),
    _flow(
        "flux2_klein",
        "as flux2, by the smaller models",
        "flux2:Flux2Klein",
        PROMPT,
        NEGATIVE,
        guidance_parameter(4.0),
        _REFERENCE,
        model_parameter("black-forest-labs/FLUX.2-klein-base-4B"),
        space="FLUX.2",
        cost=100.0,
        citation=_FLUX2,
    ),
)
