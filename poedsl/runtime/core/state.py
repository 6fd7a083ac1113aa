"""The state of a run as a tree of tensors and plain values, and that tree as JSON and tensors.

What a run carries from one stage to the next has a method ``state`` that gives its part of the
tree, and one that takes it back: ``restore``, or ``restored`` of a class whose values are frozen.
A tree consists of dictionaries with texts as keys, lists, tensors, texts, numbers, truth values and
None. Tuples become lists.
"""

from __future__ import annotations

import json
import math
from typing import Any, TypeAlias

import torch
from torch import Tensor

SavedState: TypeAlias = dict[str, Any]

#: Keys of what JSON cannot hold: the name of a tensor, and a number that is not finite.
TENSOR, NUMBER = "$tensor", "$number"


def packed(state: SavedState) -> tuple[str, dict[str, Tensor]]:
    """A tree as JSON, and the tensors that the JSON names, contiguous and on the CPU.

    A tensor that occurs several times is kept once. JSON has the strides of each: the order of
    floating-point sums can depend on them.
    """
    tensors: dict[str, Tensor] = {}
    names: dict[tuple[Any, ...], str] = {}

    def plain(value: Any) -> Any:
        match value:
            case Tensor():
                key = (value.data_ptr(), value.dtype, value.shape, value.stride(), value.device)
                if key not in names:
                    names[key] = str(len(names))
                    tensors[names[key]] = _values(value)
                return _reference(names[key], value)
            case dict():
                return {name: plain(part) for name, part in value.items()}
            case list() | tuple():
                return [plain(part) for part in value]
            case float() if not math.isfinite(value):
                return {NUMBER: str(value)}
            case None | bool() | int() | float() | str():
                return value
        raise TypeError(f"{type(value).__name__} is no part of a state")

    return json.dumps(plain(state), allow_nan=False), tensors


def unpacked(text: str, tensors: dict[str, Tensor], device: torch.device) -> SavedState:
    """The tree of `packed`, with tensors on a device but for those that were on the CPU.

    Raises:
        KeyError, TypeError, ValueError: it is not of this form.
    """

    def tree(value: Any) -> Any:
        if isinstance(value, list):
            return [tree(part) for part in value]
        if not isinstance(value, dict):
            return value
        if TENSOR in value:
            return _laid_out(tensors[value[TENSOR]], value, device)
        if NUMBER in value:
            return float(value[NUMBER])
        return {name: tree(part) for name, part in value.items()}

    state = tree(json.loads(text))
    if not isinstance(state, dict):
        raise TypeError("the state is no object")
    return state


def _reference(name: str, value: Tensor) -> dict[str, Any]:
    where = value.device.type
    return {TENSOR: name, "shape": [*value.shape], "stride": [*value.stride()], "device": where}


def _values(value: Tensor) -> Tensor:
    """The values of a tensor, those of an expanded size once."""
    sizes = zip(value.shape, value.stride(), strict=True)
    once = tuple(slice(0, 1) if stride == 0 else slice(None) for _, stride in sizes)
    return value.detach()[once].cpu().contiguous()


def _laid_out(values: Tensor, reference: dict[str, Any], device: torch.device) -> Tensor:
    """A tensor with the shape and the strides that it had."""
    shape, stride = reference["shape"], reference["stride"]
    values = values if reference["device"] == "cpu" else values.to(device)
    if [*values.shape] == shape and [*values.stride()] == stride:
        return values
    extents = ((n - 1) * step for n, step in zip(shape, stride, strict=True))
    space = values.new_empty(1 + sum(extents) if values.numel() else 0)
    space.as_strided(values.shape, stride).copy_(values)
    return space.as_strided(shape, stride)
