"""The records of a run: one for each stage, and its outcome."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any


class Outcome(Enum):
    """How a run ended; the text holds the remedy."""

    COMPLETED = "the run completed"
    NO_WEIGHT = (
        "all particles have weight zero: no particle satisfies every condition; "
        "use more particles, or widen the conditions"
    )
    NOT_FINITE = (
        "an expert was not finite for any particle; the warnings name it: "
        "check its inputs, or use more steps"
    )

    @property
    def ok(self) -> bool:
        return self is Outcome.COMPLETED


@dataclass(frozen=True, slots=True)
class StageRecord:
    """One stage of a run.

    Attributes:
        t: its number, steps + 1 (noise) to 1 (data).
        beta: the share of signal in the variance.
        ess: effective sample size before resampling, in particles.
        unique_ancestors: how many particles of the start have descendants.
        acceptance: of the kernel, mean over particles and steps; None where it accepts all.
        nfe: evaluations of all experts in this stage, each over all particles.
        seconds: wall time.
        log_evidence_increment: what this stage added to the log evidence.
        resampled: whether any island was resampled.
        weight_variance: of the log-weights of living particles after resampling.
        rewards: 5 %, 50 % and 95 % quantiles of the reward counted so far; None without rewards.
        step_size: of the kernel, mean over islands.
        kernel_steps: how many steps of the kernel there were; None without any.
        correlation: the largest one of a component with where it was before these steps; None if
            it was not measured.
        exhausted: whether the kernel's steps ran out before correlations were low enough.
    """

    t: int
    beta: float
    ess: float
    unique_ancestors: int
    acceptance: float | None
    nfe: int
    seconds: float
    log_evidence_increment: float
    resampled: bool
    weight_variance: float
    rewards: tuple[float, ...] | None
    step_size: float | None
    kernel_steps: int | None = None
    correlation: float | None = None
    exhausted: bool = False

    @classmethod
    def of_json(cls, data: dict[str, Any]) -> StageRecord:
        """From its fields by name, as JSON holds them."""
        rewards = data["rewards"]
        numbers = {k: v if data[k] is None else data[k] for k, v in UNKNOWN.items()}
        if rewards is not None:
            rewards = tuple(math.nan if r is None else r for r in rewards)
        return cls(**{**data, **numbers, "rewards": rewards})

    def as_json(self) -> dict[str, Any]:
        """Its fields by name, with None for numbers that are not finite, which JSON has not."""
        return {name: _finite(value) for name, value in asdict(self).items()}


#: What stands for numbers that JSON does not have, of a run that failed in a stage.
UNKNOWN = {
    "beta": math.nan,
    "ess": math.nan,
    "log_evidence_increment": -math.inf,
    "weight_variance": math.nan,
}


def _finite(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
