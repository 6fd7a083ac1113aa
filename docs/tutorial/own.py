"""A reward of one's own: the inner product with a direction."""

import torch

import poedsl


@poedsl.reward(gradient=True)
def slope(x: poedsl.Real[2], along: poedsl.Real[2]) -> torch.Tensor:
    return x @ along
