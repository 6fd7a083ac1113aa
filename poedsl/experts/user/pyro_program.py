"""The program of a model of Pyro's."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from poedsl import argument_checks
from poedsl.catalog.registry import SIGNATURES
from poedsl.compiler.functions.table import FUNCTIONS
from poedsl.experts.user.decorators import code_with_arguments
from poedsl.experts.user.registry import UserCode
from poedsl.grammar.tokens import KEYWORDS


def program_of(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[str, UserCode]:
    """The text of a program with one factor, and the model of Pyro's that it calls.

    Args:
        args, kwargs: of the model.

    Raises:
        TypeError: it is no function, or the arguments do not fit its parameters.
    """
    if not inspect.isfunction(function) or not function.__name__.isidentifier():
        raise TypeError(
            "a model is a function with a name that calls `pyro.sample`, and this is "
            f"{argument_checks.describe(function)}"
        )
    bound = inspect.signature(function).bind(*args, **kwargs)
    name = function.__name__
    if name in (*KEYWORDS, *SIGNATURES, *FUNCTIONS):
        name = f"{name}_model"
    values = tuple(map(_as_tensor, bound.args)), {n: _as_tensor(v) for n, v in bound.kwargs.items()}
    return f"{'x' if name != 'x' else 'y'} ~ {name}()\n", code_with_arguments(
        function, name, *values
    )


def _as_tensor(value: Any) -> Any:
    """Lists and arrays of numbers as tensors, floats in single precision."""
    import numpy as np
    import torch

    array = hasattr(value, "__array__") and not isinstance(value, np.generic)
    if not array and not isinstance(value, list):
        return value
    try:
        original = value if isinstance(value, torch.Tensor) else torch.from_numpy(np.array(value))
        tensor = original.detach().clone()
    except (TypeError, ValueError, RuntimeError):
        return value
    return tensor.float() if tensor.is_floating_point() else tensor
