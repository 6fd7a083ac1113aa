"""A reward and a model at the top level of a module, which other processes import."""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch

import poedsl


@poedsl.reward(gradient=True)
def nearness(x: poedsl.Real) -> torch.Tensor:
    """How near a number is to two."""
    return -((x - 2.0) ** 2)


@poedsl.model
def line(t):  # type: ignore[no-untyped-def]
    """Two sites, one of them deterministic."""
    slope = pyro.sample("slope", dist.Normal(0.0, 2.0))
    pyro.deterministic("ends.far", slope * t)
