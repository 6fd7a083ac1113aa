"""Programs written on behalf of Python objects."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from poedsl.catalog.signatures import SIGNATURES
from poedsl.compiler.functions.table import FUNCTIONS
from poedsl.experts.user.decorators import Code, called_with
from poedsl.grammar.tokens import KEYWORDS
from poedsl.interface import arguments


def program_of(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[str, Code]:
    """A program of one factor, and the model of Pyro's that it calls, with its arguments.

    Raises:
        TypeError: it is no function, or the arguments are not the model's.
    """
    if not inspect.isfunction(function) or not function.__name__.isidentifier():
        raise TypeError(
            "a model is a function with a name that calls `pyro.sample`, and this is "
            f"{arguments.kind(function)}"
        )
    given = inspect.signature(function).bind(*args, **kwargs)
    name = function.__name__
    if name in (*KEYWORDS, *SIGNATURES, *FUNCTIONS):
        name = f"{name}_model"
    values = tuple(map(_kept, given.args)), {n: _kept(v) for n, v in given.kwargs.items()}
    return f"{'x' if name != 'x' else 'y'} ~ {name}()\n", called_with(function, name, *values)


def _kept(value: Any) -> Any:
    """Lists and arrays of numbers as tensors, in single precision where they have fractions."""
    import numpy as np
    import torch

    array = hasattr(value, "__array__") and not isinstance(value, np.generic)
    if not array and not isinstance(value, list):
        return value
    try:
        held = value if isinstance(value, torch.Tensor) else torch.from_numpy(np.array(value))
        tensor = held.detach().clone()
    except (TypeError, ValueError, RuntimeError):
        return value
    return tensor.float() if tensor.is_floating_point() else tensor
