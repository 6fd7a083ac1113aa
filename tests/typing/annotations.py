"""The annotations of docs/experts.md in code that type checkers accept."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from torch import Tensor

import poedsl
from poedsl import Depth, Image, Mask, Record


@poedsl.reward
def redness(x: poedsl.Image, amount: float = 1.0) -> Tensor:
    reward: Tensor = amount * (x[:, 0] - x[:, 1:].mean(1)).mean((1, 2))
    return reward


@poedsl.reward(gradient=True, cost=2.0)
class Likeness:
    def __init__(self, picture: poedsl.Image[1, 8, 8], weight: float = 1.0) -> None:
        self.picture, self.weight = picture, weight

    def __call__(self, x: poedsl.Image[1, None, None]) -> Tensor:
        distance: Tensor = (x - self.picture).square().sum((1, 2, 3))
        return -self.weight * distance


@poedsl.expert
def ring(x: poedsl.Real[2], radius: float = 2.0, centre: poedsl.Real[2] | None = None) -> Tensor:
    log_density: Tensor = -(x.norm(dim=-1) - radius).square()
    return log_density


@poedsl.expert(domain="Tokens")
class FairDie:
    def extend(self, prefix: poedsl.Tokens) -> Tensor:
        return torch.zeros(len(prefix), 4).log_softmax(-1)


@poedsl.reward
def brightness(x: Annotated[Tensor, Image[3, 64, 64]], scale: float = 1.0) -> Tensor:
    return x.mean((1, 2, 3)) * scale


@poedsl.source
def scene(
    size: int = 8,
) -> Annotated[dict[str, Tensor], Record(picture=Image[1, 8, 8], mask=Mask["size", "size"])]:
    return {"picture": torch.zeros(1, 8, 8), "mask": torch.zeros(size, size)}


@poedsl.source
def slope(frames: int) -> Annotated[Tensor, Depth["frames", 4, 4]]:
    return torch.zeros(frames, 4, 4)


@poedsl.source
def arranged(words: poedsl.Text) -> poedsl.Layout:
    return [{"box": [0, 0, 0.5, 1], "text": words}]


def best(plan: poedsl.Plan, **inputs: Any) -> Tensor:
    result: poedsl.Result = plan.bind(**inputs).run(seed=0, particles=8)
    return result.particles["x"]


BRIGHTNESS: Tensor = brightness(torch.zeros(2, 3, 64, 64))
