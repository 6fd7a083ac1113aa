"""Particles that are not finite: weight zero, and a warning that names the factor at fault."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from poedsl.runtime.core.faults import Fault
from poedsl.runtime.core.warnings import WarningLog
from poedsl.runtime.smc.population import Population, StageT
from poedsl.runtime.smc.records import Outcome


@runtime_checkable
class NamesFaults(Protocol):
    """A target that names the factors that are not finite."""

    def faults(self, x: Float[Tensor, "L D"], stage: Any) -> Iterator[Fault]:
        """Each factor, with the number of points at which it is not finite."""
        ...


class AllParticlesLost(Exception):
    """No particle has weight left.

    Attributes:
        population: the last one in which all was well, before its kernel.
        outcome: why there is no weight.
    """

    def __init__(self, population: Population[Any], outcome: Outcome) -> None:
        super().__init__(outcome.value)
        self.population, self.outcome = population, outcome


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """Removes what is not finite from a population.

    Attributes:
        target: is asked which factor is at fault.
        healthy: the last population in which all was well.
    """

    target: NamesFaults
    warnings: WarningLog
    healthy: Population[Any] | None = None

    def keeping(self, population: Population[Any]) -> HealthCheck:
        return HealthCheck(self.target, self.warnings, population)

    def checked(self, population: Population[StageT]) -> Population[StageT]:
        """The population, with weight zero for particles that are not finite.

        Raises:
            AllParticlesLost: no particle has weight left.
        """
        p = population.particles
        if math.isfinite(float(p.x.sum() + p.log_weights.sum())):
            return population
        lost = (
            torch.isnan(p.log_weights) | (p.log_weights == math.inf) | ~torch.isfinite(p.x).all(-1)
        )
        if bool(lost.any()):
            self.blame(population, lost)
            population = without(population, lost)
        if not bool(torch.isfinite(population.particles.log_weights).any()):
            stage = population.stage
            healthy = population if self.healthy is None else self.healthy
            self.warnings.add(
                "P1002",
                f"no particle outlived stage {stage.t}; "
                f"kept are those that the kernel of stage {healthy.stage.t} was given",
                stage=stage.t,
                kept_stage=healthy.stage.t,
            )
            outcome = Outcome.NOT_FINITE if bool(lost.all()) else Outcome.NO_WEIGHT
            raise AllParticlesLost(healthy, outcome)
        return population

    def blame(self, population: Population[Any], lost: Bool[Tensor, " L"]) -> None:
        """Warn once of each factor that is not finite, at the first stage where it is not."""
        stage = population.stage
        faults = self.target.faults(population.particles.x[lost], stage)
        fault = next((f for f in faults if f.points), None)
        guilty = "a weight" if fault is None else str(fault)
        count = int(lost.sum())
        self.warnings.add(
            "P1001",
            f"{guilty} is not finite for {count}/{len(lost)} particles at stage {stage.t}",
            once=guilty,
            **({} if fault is None else fault.data),
            stage=stage.t,
            particles=count,
            of=len(lost),
        )


def without(population: Population[StageT], lost: Bool[Tensor, " L"]) -> Population[StageT]:
    """With weight zero, and zeros in place of what is not finite, for the particles that are
    lost.
    """
    p = population.particles
    rewards = p.rewards.where(~lost, p.rewards.zeros())
    particles = replace(
        p,
        x=torch.where(lost[:, None], p.x.new_zeros(()), p.x),
        at=None if p.at is None else p.at.where(~lost, p.at.zeros()),
        log_weights=torch.where(lost, -math.inf, p.log_weights),
        rewards=rewards,
    )
    return population.with_particles(particles)
