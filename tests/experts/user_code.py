"""Python that programs use, in as many ways as it can be written; tests read it and run it."""

# ruff: noqa: RUF013, UP045
from __future__ import annotations

import functools
from typing import Optional

import numpy as np
import torch

import poedsl
import poedsl as pd
from poedsl import Image, Real, Record
from poedsl import reward as scorer


@poedsl.reward
def plain(x: poedsl.Image):
    """One line."""
    return x.mean((1, 2, 3))


@poedsl.reward()
def called(x: Image) -> list:
    return [float(v) for v in x.sum((1, 2, 3))]


@scorer(gradient=True, cost=5, citation="Someone (2025)")
def renamed(x: pd.Image[3, None, None], amount: float = -1.5, times: int = 2):
    """
    Below the quotes.

    More.
    """
    return amount * times * x.mean((1, 2, 3))


@poedsl.reward(domain="Image[1, _, 8]")
def by_option(x, flag: bool = True, word: str = 'a "b"', nothing: float = None):
    return x.sum((1, 2, 3)) * flag


@poedsl.reward(domain=poedsl.Real[2])
def by_typed_option(x, *, centre: Real[2], spread: "Real[2, 2] | None" = None):
    return -(x - centre).square().sum(-1)


@poedsl.reward
def any_shape(x: Real[...], weights: poedsl.Real[...], scale: Optional[float] = 1):
    return (weights * x).flatten(1).sum(-1) * scale


@poedsl.reward
@functools.lru_cache
def wrapped(x: "Image[3, 64, 64]", label: int | None = None):
    return x.sum((1, 2, 3))


@poedsl.reward
def everything(
    x: poedsl.Video[81, 3, 480, 832],
    depth: poedsl.Depth,
    depths: poedsl.Depth[None, None, None],
    mask: poedsl.Mask[8, 8],
    layout: poedsl.Layout,
    where: poedsl.Region,
    file: poedsl.File,
    words: poedsl.Text,
    tokens: poedsl.Tokens[32],
    kind: poedsl.Category[10],
    yes: poedsl.Bool,
    counts: poedsl.Int[2],
): ...


@poedsl.reward(gradient=True)
class Sharp:
    """Sharpness."""

    def __init__(self, amount: float = 1.0) -> None:
        self.amount = amount

    def __call__(self, x: Image[1, 8, 8]) -> torch.Tensor:
        return self.amount * x.diff(dim=-1).abs().mean((1, 2, 3))


@poedsl.expert
def bowl(x: Real, width: float = 1.0):
    """A Gaussian without its constant."""
    return -0.5 * (x / width) ** 2


@poedsl.expert(cost=0.5)
class Density:
    def __init__(self, loc: Real[2], scale: float = 1.0):
        self.loc, self.scale = loc, scale

    def log_prob(self, x: Real[2]):
        return -0.5 * ((x - self.loc) / self.scale).square().sum(-1)


@poedsl.expert(domain=Image[1, 8, 8])
class Flow(torch.nn.Module):
    def velocity(self, x, s):
        """That of a point at 0: x_t = s eps."""
        return x / s

    @staticmethod
    def score(x):
        return x


@poedsl.expert
class Normal2:
    """A Gaussian with noised marginals."""

    def __init__(self, mean: float = 0.0):
        self.mean = mean

    def score(self, x: "Real[2]", alpha, sigma):
        return -(x - alpha * self.mean)

    def log_prob(self, x, alpha, sigma):
        away = x - alpha * self.mean
        return -0.5 * away.square().sum(-1) - np.log(2 * np.pi)


@poedsl.expert
class ByLogProb:
    def __init__(self, mean: float = 0.0):
        self.mean = mean

    def log_prob(self, x: Real[2], alpha, sigma):
        return -0.5 * (x - alpha * self.mean).square().sum(-1) - np.log(2 * np.pi)


@poedsl.source
def simulated(path: str, frames: int = 2) -> Record(depth=Image[1, 4, 4], mask=poedsl.Mask[4, 4]):
    return {"depth": np.zeros((1, 4, 4)), "mask": torch.ones(4, 4, dtype=torch.bool)}


@poedsl.source
def film(frames: int = 2) -> poedsl.Depth["frames", 4, 4]:
    return np.zeros((frames, 4, 4))


@poedsl.source(cost=3)
def arranged(words: str) -> poedsl.Layout:
    return [{"box": [0, 0, 0.5, 1], "text": words}]


@poedsl.source
class Counted:
    def __init__(self, n: int):
        self.n = n

    def __call__(self) -> Real[3]:
        return [self.n] * 3


if torch is not None:

    @poedsl.reward
    def conditional(x: Real):
        return x


def undecorated(x: Real):
    return x
