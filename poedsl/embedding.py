"""Programs written on behalf of Python objects."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from poedsl import expected
from poedsl.experts import user
from poedsl.grammar.types import Type


def program_of(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[str, dict[str, Any]]:
    """A program of one factor, a model of Pyro's that is made known, and values for its inputs.

    Raises:
        PoeError: the model cannot be an expert. TypeError: it is no function, or the arguments are
            not the model's.
    """
    if not inspect.isfunction(function) or not function.__name__.isidentifier():
        raise TypeError(
            "a model is a function with a name that calls `pyro.sample`, and this is "
            f"{expected.kind(function)}"
        )
    given = inspect.signature(function).bind(*args, **kwargs).arguments
    values = {name: value for name, value in given.items() if value is not None}
    user.model(function)
    signature = user.REGISTRY.named[function.__name__].signature
    lines = []
    for name, value in values.items():
        parameter = signature.parameter(name)
        assert parameter is not None
        lines.append(f"input {name} : {parameter.type or _numbers(name, value)}")
    variable = "x" if "x" not in values else f"{function.__name__}_sites"
    call = f"{function.__name__}({', '.join(f'{name} = {name}' for name in values)})"
    return "\n".join([*lines, f"{variable} ~ {call}", ""]), values


def _numbers(name: str, value: Any) -> Type:
    """The type of numbers without an annotation."""
    import torch

    try:
        sizes = tuple(torch.as_tensor(value).shape)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(
            f"`{name}` is given as numbers, and this is {expected.kind(value)}; what is no number "
            "belongs inside of the model"
        ) from None
    return Type("Real", sizes)
