"""The runtime object of user code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from poedsl.experts.user.flows import UserFlow
from poedsl.experts.user.pyro_models import PyroExpert
from poedsl.experts.user.registry import UserCode
from poedsl.experts.user.rewards import user_reward
from poedsl.experts.user.sections import UserSections
from poedsl.experts.user.sequences import UserSequence
from poedsl.experts.user.sources import source_output


def build_user(
    code: UserCode,
    arguments: Mapping[str, Any],
    shape: tuple[int, ...] | None,
    device: torch.device,
) -> Any:
    """The object that a run evaluates, by the family of the signature.

    That is a `Generative` for experts with a score, a `Sequential` or a `Sectional` for those that
    extend a prefix, and a `Reward` for rewards and for densities (log p of each particle), or a
    `TextReward` for those of texts. Of a source it is the output.

    Args:
        arguments: by name; numbers, texts, and tensors without a row for particles.
        shape: of one particle; None where nothing is sampled.

    Raises:
        PoeError: the code fails, or returns another type or shape than it declares (P0708).
    """
    family = code.signature.family
    if code.kind == "model":
        return PyroExpert(code, arguments, device)
    if family == "source":
        return source_output(code, arguments, device)
    if family == "flow" and "extend" in code.signature.capabilities:
        return UserSections(code, arguments, device)
    if family == "flow":
        return UserFlow(code, arguments, shape or (), device)
    if family == "tokens":
        return UserSequence(code, arguments, device)
    return user_reward(code, arguments, device)
