"""Classes of user code that give the probabilities of the next symbol of a sequence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from poedsl.experts.protocol import State
from poedsl.experts.user.calls import (
    call,
    make,
    to_tensor,
    unfit,
)
from poedsl.experts.user.registry import UserCode


class UserSequence:
    """A class with ``extend(self, prefix)``, as a `Sequential`.

    The method takes the symbols so far, integers (L, k), and returns the log-probabilities of the
    next one, (L, V).

    Args:
        arguments: of ``__init__``, by name.

    Raises:
        PoeError: its ``__init__`` or the method fails, or does not return log-probabilities
            (P0708).
    """

    def __init__(self, code: UserCode, arguments: Mapping[str, Any], device: torch.device) -> None:
        self.code = code
        self.instance = make(code, arguments, device)
        self.device = device
        self.vocabulary = self.begin(1)[1].shape[-1]

    def begin(self, count: int) -> tuple[State, Float[Tensor, "{count} V"]]:
        prefix = torch.zeros(count, 0, dtype=torch.long, device=self.device)
        return (prefix,), self.log_probabilities(prefix)

    def read(
        self, state: State, symbols: Int[Tensor, "L m"]
    ) -> tuple[State, Float[Tensor, "L m V"]]:
        (prefix,) = state
        logs = []
        for symbol in symbols.unbind(1):
            prefix = torch.cat([prefix, symbol[:, None]], 1)
            logs.append(self.log_probabilities(prefix))
        return (prefix,), torch.stack(logs, 1)

    def log_probabilities(self, prefix: Int[Tensor, "L k"]) -> Float[Tensor, "L V"]:
        like = torch.zeros((), device=self.device)
        value = to_tensor(call(self.code, self.instance.extend, prefix), like, self.code)
        if value.dim() != 2 or len(value) != len(prefix):
            raise unfit(
                self.code,
                f"returned shape {list(value.shape)} from `extend` for {len(prefix)} prefixes; it "
                f"returns log-probabilities of the next symbol, [{len(prefix)}, V]",
            )
        total = value.logsumexp(-1)
        if not bool((total.abs() < 1e-3).all()):
            raise unfit(
                self.code,
                "returned numbers from `extend` that are no logs of probabilities: they sum to "
                f"{float(total.exp().max()):.3g}, not to 1; `torch.log_softmax` makes them so",
            )
        return value
