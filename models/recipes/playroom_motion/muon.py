"""Muon: momentum whose matrices are made orthogonal (Jordan et al., Muon, 2024), in 32-bit floats.

PyTorch's computes in bfloat16, which many CPUs do slowly.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

#: Coefficients of the iteration of Newton and Schulz.
_A, _B, _C = 3.4445, -4.7750, 2.0315
ITERATIONS = 5


def orthogonal(matrix: Tensor) -> Tensor:
    """The nearest orthogonal matrix, about."""
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.T
        x = _A * x + (_B * gram + _C * gram @ gram) @ x
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    """Updates of matrices with the size of Adam's.

    Args:
        rate: the learning rate, as of Adam.
    """

    def __init__(self, matrices: list[nn.Parameter], rate: float, momentum: float = 0.95) -> None:
        super().__init__(matrices, {"lr": rate, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["mean"] = torch.zeros_like(p)
                state["mean"].lerp_(p.grad, 1 - group["momentum"])
                ahead = p.grad.lerp(state["mean"], group["momentum"])
                update = orthogonal(ahead.flatten(1))
                # Of a root mean square of 0.2, which is that of Adam's updates.
                size = 0.2 * max(update.shape) ** 0.5
                p.add_(update.view_as(p), alpha=-group["lr"] * size)


def _wide(p: nn.Parameter) -> bool:
    return p.ndim > 1 and min(p.shape[0], p.shape[1:].numel()) > 3


class Both:
    """Muon of the matrices and kernels of blocks, and AdamW of all else, as one optimiser."""

    def __init__(self, module: nn.Module, rate: float) -> None:
        named = [(n, p) for n, p in module.named_parameters() if p.requires_grad]
        matrices = [p for n, p in named if "block" in n and _wide(p)]
        chosen = set(map(id, matrices))
        rest = [p for _, p in named if id(p) not in chosen]
        self.parts = (Muon(matrices, rate), torch.optim.AdamW(rest, rate, weight_decay=1e-4))

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        return [group for part in self.parts for group in part.param_groups]

    def zero_grad(self, set_to_none: bool = True) -> None:
        for part in self.parts:
            part.zero_grad(set_to_none=set_to_none)

    def step(self) -> None:
        for part in self.parts:
            part.step()

    def state_dict(self) -> list[Any]:
        return [part.state_dict() for part in self.parts]

    def load_state_dict(self, kept: list[Any]) -> None:
        for part, state in zip(self.parts, kept, strict=True):
            part.load_state_dict(state)
