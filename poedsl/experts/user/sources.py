"""Functions of user code that compute inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from poedsl.catalog.signatures import Returned
from poedsl.experts.user.calls import (
    call,
    convert_arguments,
    make,
    to_tensor,
    type_description,
    unfit,
)
from poedsl.experts.user.registry import UserCode


def source_output(code: UserCode, arguments: Mapping[str, Any], device: torch.device) -> Any:
    """The output of a source: a value of its type, or a dictionary of values by name.

    Numbers and arrays are returned as tensors on the device.

    Raises:
        PoeError: the code fails, or returns another type or shape (P0708).
    """
    if isinstance(code.target, type):
        value = call(code, make(code, arguments, device))
    else:
        value = call(code, code.target, **convert_arguments(code, arguments))
    fields = {r.name: r for r in code.signature.returns}
    if "" in fields:
        return _converted(code, fields[""], value, arguments, device)
    if not isinstance(value, Mapping) or fields.keys() - value.keys():
        actual = (
            f"keys {', '.join(map(str, value))}"
            if isinstance(value, Mapping)
            else type_description(value)
        )
        raise unfit(code, f"returned {actual}; it returns a dictionary with {', '.join(fields)}")
    return {n: _converted(code, r, value[n], arguments, device) for n, r in fields.items()}


def _converted(
    code: UserCode,
    returns: Returned,
    value: Any,
    arguments: Mapping[str, Any],
    device: torch.device,
) -> Any:
    if returns.type in ("Layout", "Text", "Region", "File"):
        return value
    numbers = to_tensor(value, torch.zeros((), device=device), code)
    expected = [_size(s, arguments) for s in returns.sizes]
    pairs = list(zip(numbers.shape, expected, strict=False))
    if numbers.dim() != len(expected) or any(w is not None and n != w for n, w in pairs):
        name = f" as `{returns.name}`" if returns.name else ""
        sizes = ", ".join("_" if s is None else str(s) for s in expected)
        raise unfit(
            code,
            f"returned shape {list(numbers.shape)}{name}; it returns {returns.type}, [{sizes}]",
        )
    return numbers


def _size(size: int | str | None, arguments: Mapping[str, Any]) -> int | None:
    """A size, of the argument that a text names; None where it is open."""
    if not isinstance(size, str):
        return size
    name, _, element = size.partition(".")
    value = arguments.get(name)
    if element:
        value = value[int(element)] if value is not None and int(element) < len(value) else None
    return None if value is None else int(value)
