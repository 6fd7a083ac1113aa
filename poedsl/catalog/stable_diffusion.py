"""Stable Diffusion 1.x, 2.x, XL and 3.x: text to image, with a ControlNet, and inpainting."""

from __future__ import annotations

from dataclasses import replace

from poedsl.catalog.latent_flows import latent_flow
from poedsl.catalog.parameters import (
    CONTROL,
    CONTROLLED,
    INPAINTED,
    INPAINTING,
    NEGATIVE,
    PROMPT,
    STRENGTH,
    controlnet_parameter,
    guidance_parameter,
    model_parameter,
)
from poedsl.catalog.signatures import Signature, SignatureParameter

_ADDED = "Zhang, Rao and Agrawala, Adding Conditional Control to Diffusion Models (ICCV 2023)"


def _sd(name: str, guidance: float, model: str, *parameters: SignatureParameter) -> Signature:
    """A model of text to image; further parameters come between guidance and model."""
    return latent_flow(
        name,
        "text to image",
        "stable_diffusion:StableDiffusion",
        PROMPT,
        NEGATIVE,
        guidance_parameter(guidance),
        *parameters,
        model_parameter(model),
        space="Stable Diffusion",
        cost=10.0,
        citation="Rombach et al., High-Resolution Image Synthesis with Latent Diffusion Models "
        "(CVPR 2022)",
    )


def _sdxl(name: str, guidance: float, model: str, *parameters: SignatureParameter) -> Signature:
    return replace(
        _sd(name, guidance, model, *parameters),
        implementation="poedsl.experts.flows.stable_diffusion:StableDiffusionXL",
        space="Stable Diffusion XL",
        cost=40.0,
        citation="Podell et al., SDXL: Improving Latent Diffusion Models (ICLR 2024)",
    )


def _with_control(signature: Signature) -> Signature:
    return replace(
        signature,
        summary=CONTROLLED,
        parameters=(CONTROL, *signature.parameters),
        citation=_ADDED,
        cost=1.5 * signature.cost,
    )


def _inpainting(signature: Signature) -> Signature:
    return replace(signature, summary=INPAINTING, parameters=(*INPAINTED, *signature.parameters))


def _sd3(
    name: str,
    summary: str,
    kind: str,
    model: str,
    *conditions: SignatureParameter,
    further: tuple[SignatureParameter, ...] = (),
) -> Signature:
    """A rectified flow; further parameters come between guidance and model."""
    return latent_flow(
        name,
        summary,
        kind,
        *conditions,
        PROMPT,
        NEGATIVE,
        guidance_parameter(7.0),
        *further,
        model_parameter(model),
        space="Stable Diffusion 3",
        cost=300.0 if conditions else 200.0,
        citation=_ADDED
        if conditions
        else "Esser et al., Scaling Rectified Flow Transformers (ICML 2024)",
    )


_SD35 = "stabilityai/stable-diffusion-3.5-large"
_SD15 = "stable-diffusion-v1-5/stable-diffusion-v1-5"
_XL = "stabilityai/stable-diffusion-xl-base-1.0"
#: ControlNets for depth as grey.
_DEPTH = {
    "sd": "lllyasviel/control_v11f1p_sd15_depth",
    "sdxl": "diffusers/controlnet-depth-sdxl-1.0",
}
STABLE_DIFFUSION = (
    _sd("sd", 7.5, _SD15),
    _with_control(
        _sd("sd_controlnet", 7.5, _SD15, STRENGTH, controlnet_parameter(_DEPTH["sd"])),
    ),
    _inpainting(_sd("sd_inpaint", 7.5, "stable-diffusion-v1-5/stable-diffusion-inpainting")),
    _sdxl("sdxl", 5.0, _XL),
    _with_control(
        _sdxl("sdxl_controlnet", 5.0, _XL, STRENGTH, controlnet_parameter(_DEPTH["sdxl"])),
    ),
    _inpainting(_sdxl("sdxl_inpaint", 7.5, "diffusers/stable-diffusion-xl-1.0-inpainting-0.1")),
    _sd3("sd3", "text to image", "stable_diffusion_3:StableDiffusion3", _SD35),
    _sd3(
        "sd3_controlnet",
        CONTROLLED,
        "stable_diffusion_3_controlnet:StableDiffusion3ControlNet",
        _SD35,
        CONTROL,
        further=(
            STRENGTH,
            controlnet_parameter("stabilityai/stable-diffusion-3.5-large-controlnet-depth"),
        ),
    ),
    _sd3(
        "sd3_fill",
        "inpainting by a ControlNet: keeps the image outside the mask, repaints inside",
        "stable_diffusion_3_controlnet:StableDiffusion3Fill",
        "stabilityai/stable-diffusion-3-medium-diffusers",
        *INPAINTED,
        further=(STRENGTH, controlnet_parameter("alimama-creative/SD3-Controlnet-Inpainting")),
    ),
)
