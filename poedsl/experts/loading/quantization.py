"""Weights of networks in 8 bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from poedsl.catalog.profiles import Quantize
from poedsl.experts.loading.libraries import missing_extra

#: Parts of the names of layers of language models whose weights stay as they are.
_KEPT = ("embed", "lm_head")


def to_int8(model: Any, chosen: Callable[[Any, str], bool] | None = None) -> None:
    """Store the weights of linear layers as integers, with a scale for each row.

    Args:
        chosen: whether a layer, with its name, is among them; None for all.

    Raises:
        PoeError: the library torchao is missing (P0703).
    """
    try:
        from torchao.quantization import Int8WeightOnlyConfig, quantize_
    except ImportError as error:
        raise missing_extra('quantize = "int8"', "int8", error) from error
    quantize_(model, Int8WeightOnlyConfig(), filter_fn=chosen)


def quantize_language_model(model: Any, how: Quantize, dtype: torch.dtype) -> None:
    """Store the weights of the linear layers of a language model in 8 bits, without the embeddings
    and the last layer.

    Args:
        dtype: in which layers compute.

    Raises:
        ValueError: it has no linear layers of torch.
        PoeError: the library torchao is missing (P0703).
    """
    linear = {
        name: layer
        for name, layer in model.named_modules()
        if isinstance(layer, torch.nn.Linear) and not any(kept in name for kept in _KEPT)
    }
    if not linear:
        kind = type(model).__name__
        raise ValueError(f'a {kind} has no linear layers of torch for `quantize = "{how}"`')
    if how == "int8":
        return to_int8(model, lambda _, name: name in linear)
    from diffusers.hooks import apply_layerwise_casting

    for layer in linear.values():
        apply_layerwise_casting(layer, torch.float8_e4m3fn, dtype, skip_modules_pattern=None)
