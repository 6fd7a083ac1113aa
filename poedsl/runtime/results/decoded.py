"""Particles as people see them, those that are not finite without weight."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor

from poedsl.runtime.core.faults import AutoencoderFault
from poedsl.runtime.core.warnings import WarningLog
from poedsl.runtime.smc.health import without
from poedsl.runtime.smc.population import Population
from poedsl.runtime.targets.target import Target


def decoded(
    population: Population[Any], target: Target, warnings: WarningLog
) -> tuple[Population[Any], dict[str, Shaped[Tensor, L * shape]]]:
    """The population, and each variable in its own units and shape, (L, ...).

    A particle that an autoencoder makes no finite picture of gets weight zero and a picture of
    zeros, and a warning (P1001) names the autoencoder.
    """
    values = target.space.values(population.particles.x)
    for name, codec in target.space.codecs.items():
        lost = ~torch.isfinite(values[name]).flatten(1).all(1)
        if bool(lost.any()):
            fault = AutoencoderFault(name, str(codec.folder), int(lost.sum()))
            warnings.add(
                "P1001",
                f"{fault} is not finite for {fault.points}/{len(lost)} particles at the end",
                once=str(fault),
                **fault.data,
                particles=fault.points,
                of=len(lost),
            )
            population = without(population, lost).measured()
            values = {n: torch.where(_rows(lost, v), 0, v) for n, v in values.items()}
    return population, values


def _rows(lost: Tensor, value: Tensor) -> Tensor:
    return lost.view(-1, *[1] * (value.dim() - 1))
