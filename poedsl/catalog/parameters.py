"""Parameters that several signatures share."""

from __future__ import annotations

from poedsl.catalog.signatures import REQUIRED, Required, SignatureParameter
from poedsl.grammar.types import REAL, TEXT, Type, open_type

PROMPT = SignatureParameter("prompt", TEXT, "prompt", REQUIRED, "what the picture shows, in words")
NEGATIVE = SignatureParameter(
    "negative", TEXT, "prompt", "", "what the picture is guided away from"
)
STRENGTH = SignatureParameter("scale", REAL, "number", 1.0, "how strongly the ControlNet acts")
#: Summaries of experts with a ControlNet, and of those that fill in a picture.
CONTROLLED = "text and a control picture to image, by a ControlNet"
INPAINTING = "inpainting: keeps the image outside the mask, repaints inside"
LORA = SignatureParameter(
    "lora", TEXT, "label", None, 'low-rank adapters and their weights: "FILE:0.8, FOLDER:0.5"'
)
#: An image with three colour channels, of any size.
RGB_IMAGE = Type("Image", (3, None, None))
RGB_FILM = Type("Video", (None, 3, None, None))


def map_parameter(name: str, type_: Type, summary: str) -> SignatureParameter:
    """A condition whose height and width are those of the image that the expert is over."""
    return SignatureParameter(name, type_, "condition", REQUIRED, summary, aligned=True)


CONTROL = map_parameter("control", open_type("Image"), "edges, depth, a pose, by the ControlNet")
INPAINTED = (
    map_parameter("mask", open_type("Mask"), "1 where it repaints"),
    map_parameter("image", open_type("Image"), "the picture to fill in"),
)


def model_parameter(default: str | Required) -> SignatureParameter:
    return SignatureParameter("model", TEXT, "label", default, "hub id or folder of the weights")


def controlnet_parameter(default: str) -> SignatureParameter:
    summary = "hub id or folder of the ControlNet"
    return SignatureParameter("controlnet", TEXT, "weights", default, summary)


def distilled_parameter(default: float) -> SignatureParameter:
    """The scale that a guidance-distilled network takes."""
    return SignatureParameter("guidance", REAL, "number", default, "distilled guidance scale")


def guidance_parameter(default: float) -> SignatureParameter:
    """The scale of classifier-free guidance."""
    summary = "scale of classifier-free guidance; 1: none"
    return SignatureParameter("guidance", REAL, "guidance", default, summary)
