"""The evidence of a run: log Z, its standard error where one is honest, and why one is missing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Any

import torch

from poedsl.runtime.core.sampler_options import SamplerOptions
from poedsl.runtime.core.warnings import RunWarning, WarningLog
from poedsl.runtime.smc import standard_errors
from poedsl.runtime.smc.population import Population
from poedsl.runtime.smc.records import Outcome
from poedsl.runtime.targets.target import Target

#: As many islands have a spread to go by.
ISLANDS = 4


class EvidenceStatus(Enum):
    """What the value of an evidence is."""

    EXACT = "consistent in the number of particles"
    APPROXIMATE = "biased however many particles there are"
    MISSING = "not known"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Log of the integral of the product.

    Attributes:
        value: log Z in the variables' own units; None where the run does not give it.
        standard_error: of the value; None where no honest one is known.
        reasons: why the value is missing or approximate, or its error is missing; a code and a
            sentence each.
    """

    value: float | None
    standard_error: float | None
    status: EvidenceStatus
    reasons: tuple[RunWarning, ...] = ()

    @property
    def text(self) -> str:
        return "; ".join(r.message for r in self.reasons)


def evidence(
    population: Population[Any],
    target: Target,
    options: SamplerOptions,
    outcome: Outcome,
    warnings: WarningLog,
) -> Evidence:
    """The evidence of a run that has ended."""
    missing = missing_because(target, options, outcome, warnings)
    if missing is not None:
        return Evidence(None, None, EvidenceStatus.MISSING, (missing,))
    each = population.island_evidence - target.evidence_shift
    value = float(torch.logsumexp(each, 0)) - math.log(len(each))
    if not math.isfinite(value):
        zero = RunWarning("P1108", "all particles have weight zero")
        return Evidence(None, None, EvidenceStatus.MISSING, (zero,))
    approximations = approximate_because(options)
    error, unknown = standard_error(population, each, options)
    exact = EvidenceStatus.APPROXIMATE if approximations else EvidenceStatus.EXACT
    return Evidence(value, error, exact, (*approximations, *unknown))


def missing_because(
    target: Target, options: SamplerOptions, outcome: Outcome, warnings: WarningLog
) -> RunWarning | None:
    """What keeps a run from an evidence; None where nothing does."""
    if outcome is not Outcome.COMPLETED:
        return RunWarning("P1101", "the run did not complete")
    if target.field:
        return RunWarning("P1102", target.field)
    if options.correct == "none":
        return RunWarning("P1103", "correct = none() leaves the path without weights")
    if options.clip is not None:
        return RunWarning("P1104", "clipped weights are biased")
    if options.scheme == "tophalf":
        return RunWarning("P1105", "resample = tophalf() is biased")
    if options.potential == "full" and target.black_box:
        return RunWarning("P1106", "potential = full() counts rewards more than once")
    if "P1008" in warnings:
        first = next(w for w in warnings if w.code == "P1008").message.partition(" at stage")[0]
        return RunWarning("P1107", f"{first}: the sum over sequences has no bound")
    return None


def standard_error(
    population: Population[Any], each: torch.Tensor, options: SamplerOptions
) -> tuple[float | None, tuple[RunWarning, ...]]:
    """The error of log Z by what the run allows, or what would have allowed it.

    Args:
        each: log evidence of each island, (S,).
    """
    if len(each) >= ISLANDS:
        spread = standard_errors.between(each)
        if math.isfinite(spread):
            return spread, ()
        alone = "no standard error: one island has all the weight"
        return None, (RunWarning("P1111", alone),)
    if options.scheme != "multinomial" and bool(population.resamplings.any()):
        how = "a standard error takes four islands or more, or resample = multinomial()"
        return None, (RunWarning("P1112", how),)
    error, why = standard_errors.within(each, *population.lineages, population.resamplings)
    if not why:
        return error, ()
    remedy = "more particles, or four islands or more"
    return error, (RunWarning("P1113", f"no standard error: {why}; {remedy}"),)


def approximate_because(options: SamplerOptions) -> tuple[RunWarning, ...]:
    """What keeps the evidence from being exact however many particles there are."""
    kernel = options.kernel
    reasons = {
        "fkc() is exact in the limit of many steps": options.correct == "fkc",
        "temper(ess = ...) places its stages by the particles": options.share is not None,
        f"{kernel}() is biased by its step size": kernel in ("langevin", "unadjusted_hmc"),
        f"{kernel}(line = ...) accepts by an integral of scores": options.line is not None,
        "control = true is fitted to the particles, a bias of order 1 / L": options.control,
    }
    return tuple(RunWarning("P1120", f"approximate: {r}") for r, holds in reasons.items() if holds)
