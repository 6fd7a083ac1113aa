"""Parameters that several signatures share."""

from __future__ import annotations

from poedsl.catalog.signatures import REQUIRED, Parameter, Required
from poedsl.grammar.types import TEXT, Type

PROMPT = Parameter("prompt", TEXT, "prompt", REQUIRED, "what the picture shows, in words")
LORA = Parameter(
    "lora", TEXT, "label", None, 'low-rank adapters and their weights: "FILE:0.8, FOLDER:0.5"'
)
#: An image with three colour channels, of any size.
RGB_IMAGE = Type("Image", (3, None, None))


def map_parameter(name: str, type_: Type, summary: str) -> Parameter:
    """A condition whose height and width are those of the image that the expert is over."""
    return Parameter(name, type_, "condition", REQUIRED, summary, aligned=True)


def model_parameter(default: str | Required) -> Parameter:
    return Parameter("model", TEXT, "label", default, "hub id or folder of the weights")
