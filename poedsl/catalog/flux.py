"""The families FLUX.1 and FLUX.2: text to image, and with conditions."""

from __future__ import annotations

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
    distilled_parameter,
    guidance_parameter,
    map_parameter,
    model_parameter,
)
from poedsl.catalog.signatures import REQUIRED, Signature, SignatureParameter
from poedsl.grammar.types import INT, open_type


def _reference(number: int) -> SignatureParameter:
    """One of the pictures that a text refers to, which it counts from 1."""
    name, first = ("image", "a") if number == 1 else (f"image_{number}", "another")
    summary = f"{first} picture that the text refers to; none: none"
    needs = "" if number == 1 else "image"
    return SignatureParameter(name, open_type("Image"), "condition", None, summary, needs=needs)


_REFERENCES = tuple(_reference(number) for number in range(1, 5))


def _flux(
    name: str, summary: str, *parameters: SignatureParameter, kind: str = "flux:FluxFlow"
) -> Signature:
    return latent_flow(
        name,
        summary,
        kind,
        *parameters,
        space="FLUX.1",
        cost=300.0,
        citation="Black Forest Labs, FLUX.1 (2024)",
    )


def _flux2(
    name: str, summary: str, kind: str, cost: float, *parameters: SignatureParameter
) -> Signature:
    citation = "Black Forest Labs, FLUX.2 (2025)"
    return latent_flow(
        name, summary, kind, *parameters, space="FLUX.2", cost=cost, citation=citation
    )


FLUX = (
    _flux(
        "flux",
        "text to image",
        PROMPT,
        distilled_parameter(3.5),
        model_parameter("black-forest-labs/FLUX.1-dev"),
    ),
    _flux(
        "flux_schnell",
        "text to image in few steps",
        PROMPT,
        model_parameter("black-forest-labs/FLUX.1-schnell"),
    ),
    _flux(
        "flux_depth",
        "text and depth to image",
        map_parameter("depth", open_type("Depth"), "relative inverse depth"),
        PROMPT,
        distilled_parameter(10.0),
        model_parameter("black-forest-labs/FLUX.1-Depth-dev"),
        kind="flux:FluxControl",
    ),
    _flux(
        "flux_canny",
        "text and edges to image",
        map_parameter("edges", open_type("Mask"), "1 on the edges, 0 elsewhere"),
        PROMPT,
        distilled_parameter(30.0),
        model_parameter("black-forest-labs/FLUX.1-Canny-dev"),
        kind="flux:FluxControl",
    ),
    _flux(
        "flux_fill",
        INPAINTING,
        *INPAINTED,
        PROMPT,
        distilled_parameter(30.0),
        model_parameter("black-forest-labs/FLUX.1-Fill-dev"),
        kind="flux:FluxFill",
    ),
    _flux(
        "flux_kontext",
        "a picture changed as the text says",
        SignatureParameter(
            "image", open_type("Image"), "condition", REQUIRED, "the picture to change"
        ),
        PROMPT,
        distilled_parameter(2.5),
        model_parameter("black-forest-labs/FLUX.1-Kontext-dev"),
        kind="flux:FluxKontext",
    ),
    _flux(
        "flux_controlnet",
        CONTROLLED,
        CONTROL,
        PROMPT,
        distilled_parameter(3.5),
        STRENGTH,
        SignatureParameter(
            "mode", INT, "label", None, "number of the kind of control; none: it has one"
        ),
        controlnet_parameter("Shakker-Labs/FLUX.1-dev-ControlNet-Union-Pro-2.0"),
        model_parameter("black-forest-labs/FLUX.1-dev"),
        kind="flux_controlnet:FluxControlNet",
    ),
    _flux2(
        "flux2",
        "text to image, and to a picture changed as the text says",
        "flux2:Flux2Flow",
        800.0,
        PROMPT,
        distilled_parameter(4.0),
        *_REFERENCES,
        model_parameter("black-forest-labs/FLUX.2-dev"),
    ),
    _flux2(
        "flux2_klein",
        "as flux2, by the smaller models",
        "flux2:Flux2Klein",
        100.0,
        PROMPT,
        NEGATIVE,
        guidance_parameter(4.0),
        *_REFERENCES,
        model_parameter("black-forest-labs/FLUX.2-klein-base-4B"),
    ),
)
