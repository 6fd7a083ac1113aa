"""Linear layers from the features of a network to a score."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


class LinearHead:
    """Linear layers without nonlinearities between them, to one number.

    This is the head of LAION's aesthetic score and of ImageReward, whose dropouts are inactive at
    inference.

    Args:
        weights: by names ``N.weight`` and ``N.bias``, N a number that grows.

    Raises:
        ValueError: they are not the weights of such layers.
    """

    def __init__(self, weights: dict[str, Tensor], width: int, device: torch.device) -> None:
        order = sorted({int(name.partition(".")[0]) for name in weights})
        self.layers = [
            tuple(weights[f"{n}.{part}"].float().to(device) for part in ("weight", "bias"))
            for n in order
        ]
        sizes = [width, *(len(bias) for _, bias in self.layers)]
        shapes = [tuple(weight.shape) for weight, _ in self.layers]
        chained = zip(order, shapes, zip(sizes[1:], sizes, strict=False), strict=True)
        wrong = [f"layer {n} has another size" for n, shape, actual in chained if shape != actual]
        if not order or sizes[-1] != 1 or wrong:
            head = f"no head from {width} features to one number is in it"
            raise ValueError(": ".join([head, *wrong[:1]]))

    def __call__(self, x: Float[Tensor, "N d"]) -> Float[Tensor, " N"]:
        x = x.float()
        for weight, bias in self.layers:
            x = F.linear(x, weight, bias)
        return x[:, 0]
