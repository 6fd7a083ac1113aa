"""The evidence of a run: log Z, its standard error where one is honest, and why one is missing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Any

import torch

from poedsl.compiler.plan.approximations import approximations, biases
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.runtime.core.sampler_options import SamplerOptions
from poedsl.runtime.core.warnings import RunWarning, WarningLog, of_factors
from poedsl.runtime.smc import standard_errors
from poedsl.runtime.smc.population import Population
from poedsl.runtime.smc.records import Outcome
from poedsl.runtime.targets.target import Target

#: Of fewer roots with descendants than this the standard error of log Z is not estimated.
FEWEST_ROOTS = 30
#: As many islands have a spread to go by.
ISLANDS = 4


class EvidenceStatus(Enum):
    """What the value of an evidence is."""

    EXACT = "consistent in the number of particles"
    APPROXIMATE = "biased however many particles there are"
    MISSING = "not known"


@dataclass(frozen=True, slots=True, repr=False)
class Evidence:
    """Log of the integral of the product.

    Attributes:
        value: log Z in the variables' own units; None where the run does not give it.
        standard_error: of the value; None where no honest one is known.
        status: whether the value is exact, approximate or missing.
        reasons: why the value is missing or approximate, or its error is missing; a code, a
            sentence and data each.
    """

    value: float | None
    standard_error: float | None
    status: EvidenceStatus
    reasons: tuple[RunWarning, ...] = ()

    def __repr__(self) -> str:
        error = "" if self.standard_error is None else f" +- {self.standard_error:.4g}"
        value = "" if self.value is None else f"{self.value:.6g}{error}, "
        codes = "".join(f", {r.code}" for r in self.reasons)
        return f"Evidence({value}{self.status.name.lower()}{codes})"

    @property
    def text(self) -> str:
        return "; ".join(r.message for r in self.reasons)


def evidence(
    plan: PlanSpec,
    population: Population[Any],
    target: Target,
    outcome: Outcome,
    warnings: WarningLog,
) -> Evidence:
    """The evidence of a run that has ended."""
    missing = missing_because(plan, target, outcome, warnings)
    if missing is not None:
        return Evidence(None, None, EvidenceStatus.MISSING, (missing,))
    island_evidence = population.island_evidence - target.evidence_shift
    value = float(torch.logsumexp(island_evidence, 0)) - math.log(len(island_evidence))
    if not math.isfinite(value):
        zero = RunWarning("P1108", "all particles have weight zero")
        return Evidence(None, None, EvidenceStatus.MISSING, (zero,))
    inexact = approximate_because(plan)
    error, unknown = standard_error(population, island_evidence, SamplerOptions.of(plan).scheme)
    status = EvidenceStatus.APPROXIMATE if inexact else EvidenceStatus.EXACT
    return Evidence(value, error, status, (*inexact, *unknown))


def missing_because(
    plan: PlanSpec, target: Target, outcome: Outcome, warnings: WarningLog
) -> RunWarning | None:
    """What keeps a run from an evidence; None where nothing does."""
    if outcome is not Outcome.COMPLETED:
        return RunWarning("P1101", "the run did not complete", {"outcome": outcome.name.lower()})
    for factor in target.experts:
        if factor.field:
            return RunWarning("P1102", factor.field, of_factors([(factor.name, factor.place)]))
    for setting in biases(plan):
        if setting.option != "potential" or target.black_box:
            return RunWarning("P1103", f"{setting.biased} ({setting})", setting.data)
    division = next((w.data for w in warnings if w.code == "P1008"), None)
    if division is not None:
        name, place = division["factor"], division["place"]
        message = f"`{name}` at {place} divides by zero: the sum over sequences has no bound"
        return RunWarning("P1107", message, division)
    return None


def standard_error(
    population: Population[Any], island_evidence: torch.Tensor, scheme: str
) -> tuple[float | None, tuple[RunWarning, ...]]:
    """The error of log Z by what the run allows, or what would have allowed it.

    Args:
        island_evidence: log evidence of each island, (S,).
    """
    if len(island_evidence) >= ISLANDS:
        spread = standard_errors.between(island_evidence)
        if math.isfinite(spread):
            return spread, ()
        alone = "no standard error: one island has all the weight"
        return None, (RunWarning("P1111", alone),)
    if scheme != "multinomial" and bool(population.resamplings.any()):
        return by_contributions(population, island_evidence)
    error, why = standard_errors.within(
        island_evidence, *population.lineages, population.resamplings
    )
    if not why:
        return error, ()
    remedy = "more particles, or four islands or more"
    return error, (RunWarning("P1113", f"no standard error: {why}; {remedy}"),)


def by_contributions(
    population: Population[Any], island_evidence: torch.Tensor
) -> tuple[float | None, tuple[RunWarning, ...]]:
    """The error by what particles contributed since the kernel last made them independent."""
    contributions = population.contributions
    count = contributions.distinct_roots
    if count < FEWEST_ROOTS:
        how = (
            f"no standard error: the particles descend from {count}, and the kernel "
            "has not made them independent; more particles, or four islands or more"
        )
        data = {"distinct_roots": count, "needed": FEWEST_ROOTS}
        return None, (RunWarning("P1112", how, data),)
    shares = island_evidence.softmax(0)
    return math.sqrt(float((shares.square() * contributions.relative_variances).sum())), ()


def approximate_because(plan: PlanSpec) -> tuple[RunWarning, ...]:
    """What keeps the evidence from being exact however many particles there are."""
    return tuple(
        RunWarning("P1120", f"approximate: {s.approximate} ({s})", s.data)
        for s in approximations(plan)
    )
