"""Classifier-free guidance as one field: u + g (c - u) (Ho and Salimans 2022).

c and u are what a network predicts with a condition and without it, or with another one. Whatever
it predicts, noise, data, v or the velocity of a rectified flow, the score of the field is that of
p_c^g p_u^(1 - g), with the noised densities p_c and p_u of one noise level.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

#: What a network is conditioned on, such as the embeddings of a prompt: tensors of one row.
Condition = tuple[Tensor, ...]
#: What a network predicts at points (L, ...) under conditions of as many rows; of their shape.
Predict = Callable[[Tensor, Condition], Tensor]


@dataclass(frozen=True, slots=True)
class Guidance:
    """A condition and the one that is guided away from.

    Attributes:
        unconditional: None for no guidance, as at ``scale`` 1.
        scale: g.
        keep_norm: whether the field is rescaled to the norm of c along its last dimension, as in
            Qwen-Image (Wu et al. 2025). It is no combination of scores then.
    """

    condition: Condition
    unconditional: Condition | None = None
    scale: float = 1.0
    keep_norm: bool = False

    @classmethod
    def of(
        cls,
        encode: Callable[[str], Condition],
        prompt: str,
        negative: str,
        scale: float,
        *,
        keep_norm: bool = False,
    ) -> Guidance:
        """The guidance of two prompts; at scale 1 the negative one is not encoded."""
        return cls(encode(prompt), None if scale == 1 else encode(negative), scale, keep_norm)

    @property
    def calls(self) -> int:
        """Evaluations of the network for each point."""
        return 1 if self.unconditional is None else 2

    def __call__(self, predict: Predict, x: Float[Tensor, "L *shape"]) -> Float[Tensor, "L *shape"]:
        """The field at points; one call of twice as many rows where conditions have one shape."""
        count = len(x)
        if self.unconditional is None:
            return predict(x, _rows(self.condition, count))
        c, u = self.condition, self.unconditional
        if [t.shape for t in c] == [t.shape for t in u]:
            pairs = zip(_rows(c, count), _rows(u, count), strict=True)
            both = tuple(torch.cat(pair) for pair in pairs)
            with_it, without = predict(torch.cat([x, x]), both).chunk(2)
        else:
            with_it, without = predict(x, _rows(c, count)), predict(x, _rows(u, count))
        field = without + self.scale * (with_it - without)
        if self.keep_norm:
            target_norm, norm = (v.norm(dim=-1, keepdim=True) for v in (with_it, field))
            field = field * (target_norm / norm)
        return field


def _rows(condition: Condition, count: int) -> Condition:
    return tuple(t.expand(count, *t.shape[1:]) for t in condition)
