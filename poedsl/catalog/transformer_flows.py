"""Qwen-Image and Z-Image: text to image, and with conditions."""

from __future__ import annotations

from dataclasses import replace

from poedsl.catalog.latent_flows import latent_flow
from poedsl.catalog.parameters import (
    CONTROL,
    CONTROLLED,
    INPAINTED,
    NEGATIVE,
    PROMPT,
    STRENGTH,
    controlnet_parameter,
    guidance_parameter,
    model_parameter,
)
from poedsl.catalog.signatures import Signature, SignatureParameter

#: The pipelines of Qwen-Image are guided away from a text of one space.
_SPACE = replace(NEGATIVE, default=" ")


def _qwen(
    name: str,
    summary: str,
    kind: str,
    *conditions: SignatureParameter,
    further: tuple[SignatureParameter, ...] = (),
) -> Signature:
    """An expert of Qwen-Image; further parameters come between guidance and model."""
    return latent_flow(
        name,
        summary,
        kind,
        *conditions,
        PROMPT,
        _SPACE,
        guidance_parameter(4.0),
        *further,
        model_parameter("Qwen/Qwen-Image"),
        space="Qwen-Image",
        cost=500.0,
        citation="Wu et al., Qwen-Image Technical Report (2025)",
    )


TRANSFORMER_FLOWS = (
    _qwen("qwen_image", "text to image", "qwen_image:QwenImageFlow"),
    _qwen(
        "qwen_controlnet",
        CONTROLLED,
        "qwen_controlnet:QwenImageControlNet",
        CONTROL,
        further=(STRENGTH, controlnet_parameter("InstantX/Qwen-Image-ControlNet-Union")),
    ),
    _qwen(
        "qwen_fill",
        "inpainting by a ControlNet: keeps the image outside the mask, repaints inside",
        "qwen_controlnet:QwenImageFill",
        *INPAINTED,
        further=(STRENGTH, controlnet_parameter("InstantX/Qwen-Image-ControlNet-Inpainting")),
    ),
    latent_flow(
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
)
