"""Models, processors and tokenizers of transformers, from their folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from poedsl.catalog.profiles import Quantize
from poedsl.experts.loading.cache import cached_by_folder
from poedsl.experts.loading.folder_loader import (
    transformers_network,
    transformers_picture_processor,
    transformers_processor,
)
from poedsl.experts.loading.model_errors import unfit
from poedsl.experts.loading.quantization import quantize_language_model
from poedsl.experts.loading.weight_files import read_config
from poedsl.grammar.errors import PoeError


def model_type(expert: str, folder: str, *notes: str) -> str:
    """The ``model_type`` in the configuration of a folder.

    Raises:
        PoeError: there is none (P0206).
    """
    try:
        return str(read_config(folder, "config.json")["model_type"])
    except (PoeError, KeyError) as error:
        reason = "it has no config.json that says its `model_type`"
        raise unfit(expert, folder, reason, *notes) from error


def expect(expert: str, folder: str, kinds: tuple[str, ...], *notes: str) -> str:
    """Check that the ``model_type`` of a folder is one of ``kinds``, and return it.

    Raises:
        PoeError: it is another (P0206).
    """
    kind = model_type(expert, folder, *notes)
    if kind not in kinds:
        expected = " or ".join(kinds)
        raise unfit(expert, folder, f"it holds a model of type {kind}, not {expected}", *notes)
    return kind


@cached_by_folder(maxsize=8)
def network(
    kind: str,
    folder: str,
    device: torch.device,
    dtype: torch.dtype,
    elsewhere: tuple[str, ...] = (),
    quantize: Quantize = "none",
) -> Any:
    """A network of transformers, frozen and shared by all experts that use it.

    Args:
        kind: the name of its class in transformers. elsewhere: beginnings of the names of weights
            in its files that others read. quantize: how the weights of a language model are
            stored.
    """
    model = transformers_network(kind, folder, dtype, elsewhere=elsewhere)
    if quantize != "none":
        quantize_language_model(model, quantize, dtype)
    return model.to(device)


@cached_by_folder(maxsize=16)
def processor(kind: str, folder: str) -> Any:
    """A processor or tokenizer of transformers.

    Args:
        kind: the name of its class in transformers.
    """
    return transformers_processor(kind, folder)


@cached_by_folder(maxsize=16)
def picture_processor(folder: str) -> Any:
    """The processor of a model of pictures and texts, without its part for videos."""
    return transformers_picture_processor(folder)


def tensors(folder: str, prefix: str = "") -> dict[str, Tensor]:
    """Tensors in the safetensors files of a folder whose names begin with ``prefix``."""
    from safetensors import safe_open

    out: dict[str, Tensor] = {}
    for path in sorted(Path(folder).glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            out |= {k: file.get_tensor(k) for k in file.keys() if k.startswith(prefix)}  # noqa: SIM118
    return out
