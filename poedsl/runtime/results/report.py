"""The run in words: a table of stages, where it was narrow, and what would help."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from poedsl.compiler.plan.plan import PlanSpec
from poedsl.runtime.core.cost import in_words
from poedsl.runtime.core.sampler_options import SamplerOptions, keeps_best
from poedsl.runtime.core.warnings import RunWarning
from poedsl.runtime.results.distinct import distinct_pictures
from poedsl.runtime.results.evidence import Evidence, EvidenceStatus
from poedsl.runtime.results.posterior_summary import PosteriorSummary
from poedsl.runtime.results.verdict import Verdict
from poedsl.runtime.smc.composition import Composition
from poedsl.runtime.smc.records import Outcome, StageRecord
from poedsl.runtime.smc.standard_errors import FEWEST_FAMILIES


@runtime_checkable
class ReportedRun(Protocol):
    """What a report reads of a result; `Result` describes the attributes."""

    @property
    def plan(self) -> PlanSpec: ...
    @property
    def seed(self) -> int: ...
    @property
    def outcome(self) -> Outcome: ...
    @property
    def verdict(self) -> Verdict: ...
    @property
    def posterior(self) -> PosteriorSummary: ...
    @property
    def warnings(self) -> tuple[RunWarning, ...]: ...
    @property
    def stages(self) -> tuple[StageRecord, ...]: ...
    @property
    def evidence(self) -> Evidence: ...
    @property
    def composition(self) -> Composition | None: ...
    @property
    def particles(self) -> Mapping[str, Tensor]: ...
    @property
    def log_weights(self) -> Tensor: ...
    @property
    def scores(self) -> Tensor: ...
    @property
    def best_index(self) -> int: ...
    @property
    def ess(self) -> float: ...
    @property
    def nfe(self) -> int: ...
    @property
    def peak_memory(self) -> int | None: ...


@runtime_checkable
class RankedRun(Protocol):
    """What the order of particles depends on."""

    @property
    def plan(self) -> PlanSpec: ...
    @property
    def log_weights(self) -> Tensor: ...
    @property
    def scores(self) -> Tensor: ...


COLUMNS = ("stage", "beta", "ESS", "ancestors", "acceptance", "log Z +", "seconds", "")


def order(result: RankedRun) -> list[int]:
    """The indices of particles with weight in the order in which they are shown: by score where the
    best are kept, else by weight.
    """
    ranking = result.scores if keeps_best(result.plan) else result.log_weights
    weighed = int(torch.isfinite(result.log_weights).sum())
    return ranking.cpu().argsort(descending=True, stable=True).tolist()[:weighed]


def summary(result: ReportedRun) -> list[tuple[str, str]]:
    """What a person wants to know first, as names and values."""
    options = SamplerOptions.of(result.plan)
    lines = [
        ("verdict", f"{result.verdict}: {result.verdict.value}"),
        ("outcome", result.outcome.value),
        ("particles", _particles(result)),
        ("log evidence", _evidence(result)),
        ("evaluations", f"{result.nfe} of all experts, over all particles"),
        ("time", f"{sum(s.seconds for s in result.stages):.2f} s"),
        ("seed", str(result.seed)),
    ]
    if result.peak_memory is not None:
        lines.insert(6, ("peak memory", in_words(result.peak_memory)))
    if keeps_best(result.plan) and result.outcome.ok:
        lines.append(
            ("best", f"particle {result.best_index}, score {float(result.scores.max()):.4g}")
        )
    if options.islands > 1:
        lines.append(("islands", str(options.islands)))
    return lines


def head_lines(result: ReportedRun) -> list[str]:
    """The summary and the table of components, for a terminal."""
    lines = [f"{name:<13} {value}" for name, value in summary(result)]
    return [*lines, "", *result.posterior.lines()] if result.posterior else lines


def essential_lines(result: ReportedRun) -> list[str]:
    """The verdict and the evidence alone."""
    rows = dict(summary(result))
    return [f"{name:<13} {rows[name]}" for name in ("verdict", "log evidence")]


def _particles(result: ReportedRun) -> str:
    count = f"{len(result.log_weights)}, ESS {result.ess:.0f}"
    return f"{count}{_ancestors(result)}{_distinct(result)}"


def _ancestors(result: ReportedRun) -> str:
    """How many particles of the first stage have descendants, where not all do."""
    count = result.stages[-1].unique_ancestors if result.stages else 0
    return f", distinct ancestors {count}" if 0 < count < len(result.log_weights) else ""


def _distinct(result: ReportedRun) -> str:
    """How many pictures differ visibly, where not all do."""
    count = distinct_pictures(result.plan, result.particles, result.log_weights)
    if count is None or count == int(torch.isfinite(result.log_weights).sum()):
        return ""
    return f", distinct pictures {count}"


def _evidence(result: ReportedRun) -> str:
    if result.evidence.value is None:
        return f"none: {result.evidence.text}"
    value = f"{round(result.evidence.value, 4) + 0.0:.4f}"
    standard_error = result.evidence.standard_error
    if result.evidence.status is EvidenceStatus.APPROXIMATE:
        error = (
            ""
            if result.evidence.standard_error is None
            else f" +- {result.evidence.standard_error:.4f}"
        )
        return f"{value}{error} (approximate)"
    if result.evidence.standard_error is None:
        return f"{value} (standard error unknown: `islands = 4` gives one)"
    return f"{value} +- {standard_error:.4f}"


def bottlenecks(result: ReportedRun) -> Iterator[str]:
    """Where each stage was narrow, and the option that would help.

    Marked are an ESS below a tenth of the population, a kernel that accepts less than 15 %, the
    stage where too few distinct ancestors are left for an estimate (`FEWEST_FAMILIES`), and an
    evidence that grows by more than two units and ten times what it does in the run's median stage,
    unless the run places its stages by the weights.
    """
    count = len(result.log_weights)
    few = min(FEWEST_FAMILIES, count // 4)
    usual = statistics.median(abs(s.log_evidence_increment) for s in result.stages)
    placed = SamplerOptions.of(result.plan).share is not None
    ancestors = count
    for s in result.stages:
        marks = ["resampled"] if s.resampled else []
        if s.ess < 0.1 * count:
            marks.append("narrow: more `steps` or `particles`")
        if s.acceptance is not None and s.acceptance < 0.15:
            marks.append("kernel stuck: a smaller `step_size`")
        if s.unique_ancestors < few <= ancestors:
            marks.append("few ancestors: more `particles`, or `resample` at a lower `ess`")
        jumps = abs(s.log_evidence_increment) > max(2.0, 10 * usual)
        if jumps and not placed and s is not result.stages[0]:
            marks.append("evidence jumps: more `steps`, or `path = temper(ess = 0.9)`")
        ancestors = s.unique_ancestors
        yield "; ".join(marks)


def rows(result: ReportedRun) -> Iterator[tuple[str, ...]]:
    """The table of stages, a row a stage."""
    for s, marks in zip(result.stages, bottlenecks(result), strict=True):
        yield (
            str(s.t),
            f"{s.beta:.3f}",
            f"{s.ess:.0f}",
            str(s.unique_ancestors),
            "" if s.acceptance is None else f"{s.acceptance:.2f}",
            f"{s.log_evidence_increment:+.3f}",
            f"{s.seconds:.3f}",
            marks,
        )


def text_report(result: ReportedRun) -> str:
    """The summary and the table of stages, for a terminal."""
    head = head_lines(result)
    head += [f"warning: {w}" for w in result.warnings]
    if result.composition is not None:
        head += ["", "Composition", *result.composition.findings()]
    table = [COLUMNS, *rows(result)]
    widths = [max(len(row[i]) for row in table) for i in range(len(COLUMNS))]
    lines = [
        "  ".join(c.rjust(w) for c, w in zip(r[:-1], widths, strict=False)) + f"  {r[-1]}"
        for r in table
    ]
    return "\n".join([*head, "", *(line.rstrip() for line in lines)]) + "\n"
