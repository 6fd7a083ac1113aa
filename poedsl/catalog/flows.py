"""Diffusion models and flows of points and of small pictures."""

from __future__ import annotations

from poedsl.catalog.parameters import (
    RGB_IMAGE,
    model_parameter,
)
from poedsl.catalog.signatures import REQUIRED, Capability, Signature, SignatureParameter
from poedsl.grammar.types import INT, TEXT, Type

_FLOW: frozenset[Capability] = frozenset({"score", "sample", "gradient"})
FLOWS = (
    Signature(
        "digits",
        "flow",
        "handwritten digits of 8x8 pixels, a flow trained on the UCI digits",
        (
            SignatureParameter(
                "label", INT, "label", None, "class 0 to 9; none: unconditional", classes=10
            ),
        ),
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
            SignatureParameter(
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
            SignatureParameter(
                "contents", TEXT, "label", None, '"empty", "couch", "painting" or "both"'
            ),
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
            SignatureParameter("label", INT, "label", None, "class; none: unconditional"),
            model_parameter(REQUIRED),
        ),
        domain=RGB_IMAGE,
        capabilities=_FLOW,
        cost=20.0,
        citation="Salimans and Ho, Progressive Distillation (ICLR 2022)",
        implementation="poedsl.experts.flows.unet:VariancePreservingUNet",
        requires="diffusers",
    ),
)
