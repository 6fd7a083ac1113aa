"""Flows of films: Wan, and FramePack."""

from __future__ import annotations

from poedsl.catalog.parameters import (
    NEGATIVE,
    PROMPT,
    RGB_FILM,
    distilled_parameter,
    guidance_parameter,
    map_parameter,
    model_parameter,
)
from poedsl.catalog.signatures import REQUIRED, Signature, SignatureParameter
from poedsl.grammar.types import REAL, Type, open_type

_FRAME = SignatureParameter("image", open_type("Image"), "condition", REQUIRED, "the first frame")
_MAPS = Type("Depth", (None, None, None))


def _wan(
    name: str,
    summary: str,
    kind: str,
    model: str,
    first: tuple[SignatureParameter, ...] = (),
    last: tuple[SignatureParameter, ...] = (),
) -> Signature:
    return Signature(
        name,
        "flow",
        summary,
        (*first, PROMPT, NEGATIVE, guidance_parameter(5.0), *last, model_parameter(model)),
        domain=RGB_FILM,
        capabilities=frozenset({"score", "sample", "gradient"}),
        cost=10_000.0,
        citation="Wan Team, Wan: Open and Advanced Large-Scale Video Generative Models (2025)",
        implementation=f"poedsl.experts.flows.wan:{kind}",
        requires="diffusers",
        space="Wan2.1",
    )


FILMS = (
    _wan("wan_t2v", "text to video", "WanFlow", "Wan-AI/Wan2.1-T2V-14B-Diffusers"),
    _wan(
        "wan_i2v",
        "text and a first frame to video",
        "WanImage",
        "Wan-AI/Wan2.1-I2V-14B-480P-Diffusers",
        (_FRAME,),
        (
            SignatureParameter(
                "last", open_type("Image"), "condition", None, "the last frame; none: none"
            ),
        ),
    ),
    _wan(
        "wan_depth",
        "text and the depth of every frame to video, by VACE",
        "WanDepth",
        "Wan-AI/Wan2.1-VACE-14B-diffusers",
        (map_parameter("depth", _MAPS, "relative inverse depth, a frame each"),),
        (
            SignatureParameter(
                "image", open_type("Image"), "condition", None, "first frame; none: none"
            ),
            SignatureParameter("scale", REAL, "number", 1.0, "how strongly the depth acts"),
        ),
    ),
    Signature(
        "framepack",
        "flow",
        "text and a first frame to video, one section after the other",
        (_FRAME, PROMPT, distilled_parameter(10.0), model_parameter("lllyasviel/FramePackI2V_HY")),
        domain=RGB_FILM,
        capabilities=frozenset({"extend", "score", "sample", "gradient"}),
        cost=5_000.0,
        citation="Zhang and Agrawala, Packing Input Frame Contexts in Next-Frame Prediction (2025)",
        requires="diffusers",
        space="HunyuanVideo",
    ),
)
