"""What the files of a model's folder say, and experts with the model in it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeGuard

from poedsl.catalog.code_references import DefinitionError
from poedsl.catalog.signatures import Signature

#: Models of transformers, and the expert whose weights they are.
MODELS = {
    "CLIPModel": "clipscore",
    "SiglipModel": "siglip",
    "GroundingDinoForObjectDetection": "detected",
    "MMGroundingDinoForObjectDetection": "detected",
    "Owlv2ForObjectDetection": "detected",
    "DepthAnythingForDepthEstimation": "depth_agreement",
    "DPTForDepthEstimation": "depth_agreement",
}
_SUPPORTED = (
    "folders of diffusers: pipelines that make pictures",
    "folders of transformers: image classifiers, causal language models, models of pictures and "
    "texts that answer questions, and " + ", ".join(MODELS),
    "folders of GGUF: language models",
    'Python: "rewards.py:f", "package.module:f"',
)


def read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise unsupported(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError):
        raise unsupported(f"{path} is no JSON") from None
    if not isinstance(data, dict):
        raise unsupported(f"{path} holds no record")
    return data


def unsupported(message: str, *notes: str) -> DefinitionError:
    supported = (f"understood: {kind}" for kind in _SUPPORTED)
    return DefinitionError("P0206", message, *notes, *supported)


def with_model(signature: Signature, place: str) -> Signature:
    """An expert with its weights as the default of `model`, its last parameter."""
    others = tuple(p for p in signature.parameters if p.name != "model")
    fixed = (replace(p, default=place) for p in signature.parameters if p.name == "model")
    return replace(signature, parameters=(*others, *fixed))


def height_and_width(size: object) -> tuple[int | None, int | None]:
    match size:
        case int() if is_size(size):
            return size, size
        case [height, width] if is_size(height) and is_size(width):
            return height, width
        case _:
            return None, None


def is_size(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
