"""Calls of user code: arguments as it takes them, and checks of what it returns."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.catalog.code_references import shown
from poedsl.experts.user.errors import failures
from poedsl.experts.user.registry import UserCode
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError


def convert_arguments(code: UserCode, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments for user code: layouts as lists of ``{"box": ..., "text": ...}``."""
    layouts = {p.name for p in code.signature.parameters if p.type and p.type.name == "Layout"}
    return {
        name: [{"box": list(box), "text": text} for box, text in value]
        if name in layouts and isinstance(value, tuple)
        else value
        for name, value in arguments.items()
    }


def make(code: UserCode, arguments: Mapping[str, Any], device: torch.device) -> Any:
    """An instance of a class; a torch module is moved to the device."""
    instance = call(code, code.target, **convert_arguments(code, arguments))
    return instance.to(device) if isinstance(instance, torch.nn.Module) else instance


def call(code: UserCode, target: Any, *args: Any, **kwargs: Any) -> Any:
    """Call user code.

    Raises:
        PoeError: it raises an exception (P0708).
    """
    with failures(f"`{code.target.__name__}`", code.file):
        return target(*args, **kwargs)


def to_tensor(value: Any, like: Tensor, code: UserCode) -> Tensor:
    """The output of user code as a tensor with the dtype and device of ``like``.

    Raises:
        PoeError: it cannot be converted (P0708).
    """
    kind = like.dtype if like.is_floating_point() else torch.float32
    try:
        numbers = torch.as_tensor(value)
        if numbers.is_complex() or numbers.is_nested or numbers.layout != torch.strided:
            which = "complex numbers" if numbers.is_complex() else "a tensor that is not dense"
            raise unfit(code, f"returned {which}; it returns real numbers in a dense tensor")
        return numbers.to(device=like.device, dtype=kind)
    except (TypeError, ValueError, RuntimeError) as error:
        raise unfit(
            code, f"returned {type_description(value)}, which is no tensor of numbers"
        ) from error


def type_description(value: object) -> str:
    """The type of a value, for messages."""
    return "nothing" if value is None else f"a value of type {type(value).__name__}"


def per_particle(value: Any, x: Tensor, code: UserCode, method: str = "") -> Float[Tensor, " L"]:
    """The output of user code as one number for each row of ``x``.

    Raises:
        PoeError: it has another shape (P0708).
    """
    numbers = to_tensor(value, x, code)
    if numbers.shape != (len(x),):
        by = f" from `{method}`" if method else ""
        raise unfit(
            code,
            f"returned shape {list(numbers.shape)}{by} for {len(x)} particles; it returns one "
            f"number a particle, [{len(x)}]",
        )
    return numbers


def check_differentiable(value: Tensor, x: Tensor, method: str, code: UserCode) -> None:
    """Check that a value is differentiable in ``x`` where gradients are taken.

    Raises:
        PoeError: it has no gradient (P0708).
    """
    if x.requires_grad and torch.is_grad_enabled() and not value.requires_grad:
        by = f" from `{method}`" if method else ""
        raise unfit(
            code,
            f"returned numbers{by} without a gradient; it computes them from the particles by "
            "torch, without `detach` or `no_grad`; to what is the same everywhere it adds "
            "`0 * x.sum(-1)`",
        )


def unfit(code: UserCode, message: str) -> PoeError:
    """An error (P0708) about the output of user code, with the place of the code."""
    name = f"{code.target.__name__} at {shown(Path(code.file))}:{code.line}"
    return PoeError((Diagnostic("P0708", f"{name} {message}"),))
