"""What a run keeps of its stages: a record each, and who descends from whom."""

from __future__ import annotations

import logging
import math
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from poedsl.runtime.core.state import SavedState
from poedsl.runtime.smc.population import Population
from poedsl.runtime.smc.records import StageRecord

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recorder:
    """Records of the stages so far.

    Attributes:
        rewarded: whether particles carry rewards.
        has_step_size: whether the kernel has one.
        log_evidence: after each stage, in the coordinates of the path.
        eve_indices, parents: of the particles of each stage.
        shown: numbers of the stages whose predicted endpoints the particles keep.
    """

    rewarded: bool
    has_step_size: bool
    records: list[StageRecord] = field(default_factory=list)
    log_evidence: list[float] = field(default_factory=list)
    eve_indices: list[Int[Tensor, " L"]] = field(default_factory=list)
    parents: list[Int[Tensor, " L"]] = field(default_factory=list)
    shown: list[int] = field(default_factory=list)

    def record(self, population: Population[Any], evaluations: int, seconds: float) -> StageRecord:
        """Keep a stage that is done."""
        p, stage = population.particles, population.stage
        now = population.log_evidence
        before = self.log_evidence[-1] if self.log_evidence else 0.0
        record = StageRecord(
            t=stage.t,
            beta=stage.beta,
            ess=population.ess,
            unique_ancestors=population.unique_ancestors,
            acceptance=population.acceptance,
            nfe=evaluations,
            seconds=seconds,
            log_evidence_increment=now - before,
            resampled=population.resampled,
            weight_variance=weight_variance(population),
            rewards=reward_quantiles(population) if self.rewarded else None,
            step_size=population.step_size.mean if self.has_step_size else None,
            kernel_steps=population.kernel_steps,
            correlation=population.correlation,
            exhausted=population.exhausted,
        )
        logger.debug("%s", record)
        self.records.append(record)
        self.log_evidence.append(now)
        self.eve_indices.append(p.eve_indices)
        self.parents.append(population.parents)
        if len(p.predicted_endpoints) > len(self.shown):
            self.shown.append(stage.t)
        return record

    def state(self) -> SavedState:
        return {
            "records": [asdict(record) for record in self.records],
            "log_evidence": self.log_evidence,
            "eve_indices": self.eve_indices,
            "parents": self.parents,
            "shown": self.shown,
        }

    def restore(self, state: SavedState) -> None:
        """The stages of a `state` in the place of these."""
        self.records[:] = map(StageRecord.of_json, state["records"])
        self.log_evidence[:] = state["log_evidence"]
        self.eve_indices[:] = state["eve_indices"]
        self.parents[:] = state["parents"]
        self.shown[:] = state["shown"]


def weight_variance(population: Population[Any]) -> float:
    """Variance of the log weights of particles that have any."""
    log_weights = population.lineages.log_weights
    variance = float(log_weights.var(correction=0))
    if math.isfinite(variance):
        return variance
    finite = log_weights[torch.isfinite(log_weights)]
    return float(finite.var(correction=0)) if len(finite) else 0.0


def reward_quantiles(population: Population[Any]) -> tuple[float, ...]:
    """5 %, 50 % and 95 % quantiles of the rewards counted so far."""
    total = population.particles.rewards.total.nan_to_num(neginf=-1e300)
    cut = torch.tensor([0.05, 0.5, 0.95], dtype=torch.float64, device=total.device)
    return tuple(float(q) for q in torch.quantile(total, cut))
