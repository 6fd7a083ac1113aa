"""Functions and classes of user code that give a number for each particle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from poedsl.experts.protocol import Reward, TextReward
from poedsl.experts.user.calls import (
    call,
    check_differentiable,
    convert_arguments,
    make,
    per_particle,
)
from poedsl.experts.user.registry import UserCode
from poedsl.grammar.types import SYMBOLS, TEXT


def user_reward(
    code: UserCode, arguments: Mapping[str, Any], device: torch.device
) -> Reward | TextReward:
    """A reward, or the log density of an expert, of particles (L, *shape): one number each, (L,).

    Args:
        arguments: of the function or of ``__init__``, by name.

    Raises:
        PoeError: the code fails or returns the wrong shape (P0708), here or when it is called.
    """
    target: Any
    if isinstance(code.target, type):
        instance = make(code, arguments, device)
        target, options = (
            (instance.log_prob if code.signature.family == "density" else instance),
            {},
        )
    else:
        target, options = code.target, convert_arguments(code, arguments)

    domain = code.signature.domain
    symbols = domain is not None and domain.name in SYMBOLS

    def of_texts(texts: list[str]) -> Float[Tensor, " L"]:
        like = torch.zeros(len(texts), device=device)
        return per_particle(call(code, target, texts, **options), like, code)

    if domain == TEXT:
        return TextReward(of_texts)

    def of_values(x: Shaped[Tensor, "L ..."]) -> Float[Tensor, " L"]:
        x = x.long() if symbols else x
        value = per_particle(call(code, target, x, **options), x, code)
        if "gradient" in code.signature.capabilities:
            check_differentiable(value, x, "", code)
        return value

    return of_values
