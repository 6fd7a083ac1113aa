"""Classes of user code that extend a variable section by section."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.experts.user.calls import (
    call,
    check_differentiable,
    make,
    per_particle,
    to_tensor,
    unfit,
)
from poedsl.experts.user.registry import UserCode


class UserSections:
    """A class with ``extend(self, prefix, noise)``, as a `Sectional`.

    The method takes the sections so far, (L, k, *rest), and standard normals (L, *rest), and
    returns the next section (L, *rest). ``log_prob(self, prefix)`` is optional and returns log p of
    the sections so far, (L,). Values are in the units of the variable.

    Args:
        arguments: of ``__init__``, by name.

    Raises:
        PoeError: its ``__init__`` or a method fails, or returns the wrong shape (P0708).
    """

    def __init__(self, code: UserCode, arguments: Mapping[str, Any], device: torch.device) -> None:
        self.code = code
        self.instance = make(code, arguments, device)
        self.has_density = "log_prob" in code.signature.capabilities

    def extend(
        self, prefix: Float[Tensor, "L k *rest"], noise: Float[Tensor, "L *rest"]
    ) -> Float[Tensor, "L *rest"]:
        value = to_tensor(call(self.code, self.instance.extend, prefix, noise), noise, self.code)
        if value.shape != noise.shape:
            raise unfit(
                self.code,
                f"returned shape {list(value.shape)} from `extend` for {len(noise)} prefixes; it "
                f"returns the next section of each, {list(noise.shape)}",
            )
        return value

    def log_prob(self, prefix: Float[Tensor, "L k *rest"]) -> Float[Tensor, " L"]:
        value = per_particle(call(self.code, self.instance.log_prob, prefix), prefix, self.code)
        check_differentiable(value, prefix, "log_prob", self.code)
        return value
