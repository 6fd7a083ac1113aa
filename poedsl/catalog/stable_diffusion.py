"""Stable Diffusion 1.x, 2.x, XL and 3.x: text to image, with a ControlNet, and inpainting."""

from __future__ import annotations

from poedsl.catalog.parameters import (
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

_CONTROL = map_parameter("control", open_type("Image"), "edges, depth, a pose, by the ControlNet")
_MASK = map_parameter("mask", open_type("Mask"), "1 where it repaints")
_IMAGE = map_parameter("image", open_type("Image"), "the picture to fill in")
_BY_CONTROLNET = "text and a control picture to image, by a ControlNet"
_INPAINTING = "inpainting: keeps the image outside the mask, repaints inside"


def _sd(
    name: str,
    summary: str,
    *parameters: Parameter,
    kind: str = "stable_diffusion:StableDiffusion",
    space: str = "Stable Diffusion",
    cost: float = 10.0,
    citation: str = "Rombach et al., High-Resolution Image Synthesis with Latent Diffusion Models "
    "(CVPR 2022)",
) -> Signature:
    return Signature(
        name,
        "flow",
        summary,
        parameters,
        domain=RGB_IMAGE,
        capabilities=frozenset({"score", "sample", "gradient"}),
        cost=cost,
        citation=citation,
        implementation=f"poedsl.experts.flows.{kind}",
        requires="diffusers",
        space=space,
    )


def _sdxl(name: str, summary: str, *parameters: Parameter, cost: float = 40.0) -> Signature:
    return _sd(
        name,
        summary,
        *parameters,
        kind="stable_diffusion:StableDiffusionXL",
        space="Stable Diffusion XL",
        cost=cost,
        citation="Podell et al., SDXL: Improving Latent Diffusion Models (ICLR 2024)",
    )


STABLE_DIFFUSION = (
    _sd(
        "sd",
        "text to image",
        PROMPT,
        NEGATIVE,
        guidance_parameter(7.5),
        model_parameter("stable-diffusion-v1-5/stable-diffusion-v1-5"),
    ),
    _sd(
        "sd_controlnet",
        _BY_CONTROLNET,
        _CONTROL,
        PROMPT,
        STRENGTH,
        NEGATIVE,
        guidance_parameter(7.5),
        controlnet_parameter("lllyasviel/control_v11f1p_sd15_depth"),
        model_parameter("stable-diffusion-v1-5/stable-diffusion-v1-5"),
        cost=15.0,
    ),
    _sd(
        "sd_inpaint",
        _INPAINTING,
        _MASK,
        _IMAGE,
        PROMPT,
        NEGATIVE,
        guidance_parameter(7.5),
        model_parameter("stable-diffusion-v1-5/stable-diffusion-inpainting"),
    ),
    _sdxl(
        "sdxl",
        "text to image",
        PROMPT,
        NEGATIVE,
        guidance_parameter(5.0),
        model_parameter("stabilityai/stable-diffusion-xl-base-1.0"),
    ),
    _sdxl(
        "sdxl_controlnet",
        _BY_CONTROLNET,
        _CONTROL,
        PROMPT,
        STRENGTH,
        NEGATIVE,
        guidance_parameter(5.0),
        controlnet_parameter("diffusers/controlnet-depth-sdxl-1.0"),
        model_parameter("stabilityai/stable-diffusion-xl-base-1.0"),
        cost=60.0,
    ),
    _sdxl(
        "sdxl_inpaint",
        _INPAINTING,
        _MASK,
        _IMAGE,
        PROMPT,
        NEGATIVE,
        guidance_parameter(7.5),
        model_parameter("diffusers/stable-diffusion-xl-1.0-inpainting-0.1"),
    ),
    _sd(
        "sd3",
        "text to image",
        PROMPT,
        NEGATIVE,
        guidance_parameter(7.0),
        model_parameter("stabilityai/stable-diffusion-3.5-large"),
        kind="stable_diffusion_3:StableDiffusion3",
        space="Stable Diffusion 3",
        cost=200.0,
        citation="Esser et al., Scaling Rectified Flow Transformers (ICML 2024)",
    ),
)
