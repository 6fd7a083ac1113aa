"""Diffusion models and flows of points, of small pictures and of videos."""

from __future__ import annotations

from poedsl.catalog.parameters import (
    PROMPT,
    RGB_IMAGE,
    distilled_parameter,
    guidance_parameter,
    map_parameter,
    model_parameter,
)
from poedsl.catalog.signatures import REQUIRED, Capability, Parameter, Signature
from poedsl.grammar.types import INT, TEXT, Type, open_type

_FLOW: frozenset[Capability] = frozenset({"score", "sample", "gradient"})
_FRAME = Parameter("image", open_type("Image"), "condition", REQUIRED, "the first frame")
_FILM = Type("Video", (None, 3, None, None))
_WAN = "Wan Team, Wan: Open and Advanced Large-Scale Video Generative Models (2025)"


def _video(name: str, summary: str, *parameters: Parameter) -> Signature:
    return Signature(
        name,
        "flow",
        summary,
        parameters,
        domain=_FILM,
        capabilities=_FLOW,
        cost=10_000.0,
        citation=_WAN,
        requires="diffusers",
        space="Wan2.1",
    )


FLOWS = (
    Signature(
        "digits",
        "flow",
        "handwritten digits of 8x8 pixels, a flow trained on the UCI digits",
        (Parameter("label", INT, "label", None, "class 0 to 9; none: unconditional", classes=10),),
        domain=Type("Image", (1, 8, 8)),
        capabilities=_FLOW,
        cost=0.5,
        citation="Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI (1998)",
        implementation="poedsl.experts.flows.unet:unet_flow",
        requires="diffusers",
        model="digits",
    ),
    Signature(
        "checkerboard",
        "flow",
        "points on the dark squares of an 8x8 board on [-4, 4]^2, a flow for each column of it",
        (
            Parameter(
                "column", INT, "label", None, "column 0 to 7; none: the whole board", classes=8
            ),
        ),
        domain=Type("Real", (2,)),
        capabilities=_FLOW,
        cost=0.1,
        citation="Zhang et al., Product of Experts for Visual Generation, G.2 (ICLR 2026)",
        implementation="poedsl.experts.flows.points:PointFlow",
        model="checkerboard",
    ),
    Signature(
        "room",
        "flow",
        "rooms by what is in them, a class-conditional UNet with v-prediction",
        (
            Parameter("contents", TEXT, "label", None, '"empty", "couch", "painting" or "both"'),
            model_parameter("playroom/rooms"),
        ),
        domain=RGB_IMAGE,
        capabilities=_FLOW,
        cost=20.0,
        citation="Soiffer et al., Catastrophic Compositional Generation, 5.3",
        implementation="poedsl.experts.flows.unet:VariancePreservingUNet",
        requires="diffusers",
    ),
    Signature(
        "unet",
        "flow",
        "pictures of a class, by a UNet that predicts noise, data or v",
        (
            Parameter("label", INT, "label", None, "class; none: unconditional"),
            model_parameter(REQUIRED),
        ),
        domain=RGB_IMAGE,
        capabilities=_FLOW,
        cost=20.0,
        citation="Salimans and Ho, Progressive Distillation (ICLR 2022)",
        implementation="poedsl.experts.flows.unet:VariancePreservingUNet",
        requires="diffusers",
    ),
    _video(
        "wan_i2v",
        "text and a first frame to video",
        _FRAME,
        PROMPT,
        guidance_parameter(5.0),
        model_parameter("Wan-AI/Wan2.1-I2V-14B-480P-Diffusers"),
    ),
    _video(
        "wan_depth",
        "text and the depth of every frame to video",
        map_parameter(
            "depth", Type("Depth", (None, None, None)), "relative inverse depth, a frame each"
        ),
        PROMPT,
        guidance_parameter(5.0),
        model_parameter("alibaba-pai/Wan2.1-Fun-14B-Control"),
    ),
    Signature(
        "framepack",
        "flow",
        "text and a first frame to video, one section after the other",
        (_FRAME, PROMPT, distilled_parameter(10.0), model_parameter("lllyasviel/FramePackI2V_HY")),
        domain=_FILM,
        capabilities=frozenset({"extend", "score", "sample", "gradient"}),
        cost=5_000.0,
        citation="Zhang and Agrawala, Packing Input Frame Contexts in Next-Frame Prediction (2025)",
        requires="diffusers",
        space="HunyuanVideo",
    ),
)
