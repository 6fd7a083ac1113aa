"""Stable Diffusion 1.x, 2.x, XL and 3.x: text to image, with a ControlNet, and inpainting."""

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
from poedsl.catalog.signatures import Parameter, Signature
from poedsl.grammar.types import open_type

_CONTROLNET = (STRENGTH, controlnet_parameter(None))
_INPAINTED = (
    map_parameter("mask", open_type("Mask"), "1 where it repaints"),
    map_parameter("image", open_type("Image"), "the picture to fill in"),
)
_ADDED = "Zhang, Rao and Agrawala, Adding Conditional Control to Diffusion Models (ICCV 2023)"


def _latent_diffusion(
    name: str, guidance: float, model: str, *parameters: Parameter, citation: str
) -> Signature:
    """A model of text to image; further parameters come between guidance and model."""
    return Signature(
        name,
        "flow",
        "text to image",
        (PROMPT, NEGATIVE, guidance_parameter(guidance), *parameters, model_parameter(model)),
        domain=RGB_IMAGE,
        capabilities=frozenset({"score", "sample", "gradient"}),
        citation=citation,
        requires="diffusers",
    )


def _sd(name: str, guidance: float, model: str, *parameters: Parameter) -> Signature:
    return replace(
        _latent_diffusion(
            name,
            guidance,
            model,
            *parameters,
            citation="Rombach et al., High-Resolution Image Synthesis with Latent Diffusion Models "
            "(CVPR 2022)",
        ),
        cost=10.0,
        implementation="poedsl.experts.flows.stable_diffusion:StableDiffusion",
        space="Stable Diffusion",
    )


def _sdxl(name: str, guidance: float, model: str, *parameters: Parameter) -> Signature:
    return replace(
        _latent_diffusion(
            name, guidance, model, *parameters, citation="Podell et al., SDXL (ICLR 2024)"
        ),
        cost=40.0,
        implementation="poedsl.experts.flows.stable_diffusion:StableDiffusionXL",
        space="Stable Diffusion XL",
    )


def _with_control(signature: Signature) -> Signature:
    return replace(
        signature,
        summary="text and a control picture to image, by a ControlNet",
        parameters=(CONTROL, *signature.parameters),
        citation=_ADDED,
        cost=1.4 * signature.cost,
    )


def _inpainting(signature: Signature) -> Signature:
    return replace(
        signature,
        summary="inpainting: keeps the image outside the mask, repaints inside",
        parameters=(*_INPAINTED, *signature.parameters),
    )


_SD15 = "stable-diffusion-v1-5/stable-diffusion-v1-5"
_XL = "stabilityai/stable-diffusion-xl-base-1.0"
STABLE_DIFFUSION = (
    _sd("sd", 7.5, _SD15),
    _with_control(_sd("sd_controlnet", 7.5, _SD15, *_CONTROLNET)),
    _inpainting(_sd("sd_inpaint", 7.5, "stable-diffusion-v1-5/stable-diffusion-inpainting")),
    _sdxl("sdxl", 5.0, _XL),
    _with_control(_sdxl("sdxl_controlnet", 5.0, _XL, *_CONTROLNET)),
    _inpainting(_sdxl("sdxl_inpaint", 7.5, "diffusers/stable-diffusion-xl-1.0-inpainting-0.1")),
    replace(
        _latent_diffusion(
            "sd3",
            7.0,
            "stabilityai/stable-diffusion-3.5-large",
            citation="Esser et al., Scaling Rectified Flow Transformers (ICML 2024)",
        ),
        cost=200.0,
        implementation="poedsl.experts.flows.stable_diffusion_3:StableDiffusion3",
        space="Stable Diffusion 3",
    ),
)
