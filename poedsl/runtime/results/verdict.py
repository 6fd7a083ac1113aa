"""Whether a result is to be trusted: one decision from all signs that a run left."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from poedsl.compiler.plan.plan import PlanSpec
from poedsl.runtime.core.sampler_options import SamplerOptions, keeps_best
from poedsl.runtime.core.warnings import RunWarning
from poedsl.runtime.results.evidence import Evidence
from poedsl.runtime.results.posterior_summary import PosteriorSummary
from poedsl.runtime.smc.records import Outcome, StageRecord

#: A lower ESS than this, or than this share of the particles, makes a stage doubtful.
LEAST_ESS, LEAST_ESS_SHARE = 20, 0.02
#: Fewer roots with descendants than this make an evidence doubtful.
FEWEST_ROOTS = 10
#: Of small populations these are at most such a share.
SMALL_SHARE = 0.25
#: A larger standard error of log Z leaves the posterior open too.
LARGEST_ERROR = 0.5
#: Particles that correlate by more with where a stage's kernel found them have hardly moved.
LARGEST_CORRELATION = 0.8
#: It does not matter where as large a share of them are draws of their own from the base.
MANY_DRAWS = 0.25
#: Bulk ESS below which the standard error of a mean is above a seventh of a standard deviation.
LEAST_BULK_ESS = 50
#: A larger R-hat says that the ESS of each island is below five.
LARGEST_R_HAT = 1.1
#: A larger share of the weight at the limits of numbers says that mass beyond them is missing.
LARGEST_SHARE_AT_LIMITS = 1e-3
#: Heavy-tailed components that a warning names.
NAMED = 3
#: Why there is no standard error.
WITHOUT_ERROR = frozenset({"P1111", "P1112", "P1113"})
#: Warnings of a run that leave its result as good as it is.
HARMLESS = frozenset(
    {"P1010", "P1011", "P1022", "P1023", "P1025", "P1030", "P1031", "P1033", "P1036"}
)


class Verdict(Enum):
    """What a result is worth."""

    RELIABLE = "no sign speaks against the result"
    DOUBTFUL = "the result may be far off"
    FAILED = "there is no result"

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Assessment:
    """A verdict, and all warnings: what the run warned of, and the signs against its result."""

    verdict: Verdict
    warnings: tuple[RunWarning, ...]


def assess(
    plan: PlanSpec,
    outcome: Outcome,
    stages: tuple[StageRecord, ...],
    distinct_roots: int,
    evidence: Evidence,
    posterior: PosteriorSummary,
    warnings: tuple[RunWarning, ...],
) -> Assessment:
    """The verdict on a run.

    Args:
        distinct_roots: how many particles have descendants, of those when the kernel last made
            particles independent of their past; the least number in an island.
        warnings: all that the run warned of so far.
    """
    if not outcome.ok:
        return Assessment(Verdict.FAILED, warnings)
    every = (
        *warnings,
        *signs(stages, distinct_roots, evidence, SamplerOptions.of(plan)),
        *(() if keeps_best(plan) else posterior_signs(posterior, evidence)),
    )
    doubtful = any(w.code not in HARMLESS for w in every)
    return Assessment(Verdict.DOUBTFUL if doubtful else Verdict.RELIABLE, every)


def signs(
    stages: tuple[StageRecord, ...],
    distinct_roots: int,
    evidence: Evidence,
    options: SamplerOptions,
) -> Iterator[RunWarning]:
    """Signs against a result in the records of stages and in the evidence."""
    count, size = options.particles * options.islands, options.particles
    least = min(stages, key=lambda s: s.ess)
    needed = min(max(LEAST_ESS, LEAST_ESS_SHARE * count), SMALL_SHARE * count)
    if least.ess < needed:
        yield RunWarning(
            "P1013",
            f"at stage {least.t} the ESS was {least.ess:.1f} of {count} particles; "
            f"{_finer(options)}, or more `particles`",
            {"stage": least.t, "ess": least.ess, "of": count},
        )
    if distinct_roots < min(FEWEST_ROOTS, SMALL_SHARE * size):
        yield RunWarning(
            "P1005",
            f"the {size} particles descend from {distinct_roots} of those at the start, and the "
            f"kernel has not made them independent since; {_finer(options)}, or more `particles`",
            {"distinct_roots": distinct_roots, "of": size},
        )
    stuck = [
        s
        for s in stages
        if (s.correlation or 0) > LARGEST_CORRELATION
        and s.exhausted
        and s.unique_ancestors < MANY_DRAWS * count
    ]
    if stuck:
        worst = max(stuck, key=lambda s: s.correlation or 0)
        yield RunWarning(
            "P1014",
            f"at stage {worst.t} the particles were still correlated by {worst.correlation:.2f} "
            f"with where they had been when the kernel's steps ran out; more of its `steps`",
            {"stage": worst.t, "correlation": worst.correlation, "option": "kernel"},
        )
    error = evidence.standard_error
    if error is not None and error > LARGEST_ERROR:
        yield RunWarning(
            "P1015",
            f"the standard error of log Z is {error:.2f}, so that the ESS of the particles is "
            "low too; more `particles`",
            {"standard_error": error},
        )


def posterior_signs(posterior: PosteriorSummary, evidence: Evidence) -> Iterator[RunWarning]:
    """Signs that the particles do not represent the whole distribution."""
    if heavy := posterior.heavy_tailed:
        names = ", ".join(f"`{name}`" for name in heavy[:NAMED])
        more = f" and {len(heavy) - NAMED} more" if len(heavy) > NAMED else ""
        yield RunWarning(
            "P1025",
            f"the mean and sd of {names}{more} rest on a few extreme draws, or do not exist, since "
            "the tails are heavy; the quantiles are not affected",
            {"components": list(heavy)},
        )
    least, largest = posterior.least_ess, posterior.largest_r_hat
    if least is not None and least[1] < LEAST_BULK_ESS:
        yield RunWarning(
            "P1016",
            f"the bulk ESS of `{least[0]}` is {least[1]:.1f}; more `particles`",
            {"component": least[0], "ess": least[1]},
        )
    if largest is not None and largest[1] > LARGEST_R_HAT:
        yield RunWarning(
            "P1017",
            f"the islands disagree on `{largest[0]}` (R-hat {largest[1]:.2f}); more `particles`, "
            "or fewer `islands`",
            {"component": largest[0], "r_hat": largest[1]},
        )
    unknown = next((r for r in evidence.reasons if r.code in WITHOUT_ERROR), None)
    if unknown is not None and evidence.value is not None:
        message = f"how far log Z may be off is not known: {unknown.message}"
        yield RunWarning("P1018", message, {"reason": unknown.code, **unknown.data})


def number_signs(share: float) -> Iterator[RunWarning]:
    """A sign against a result with a share of its weight at the limits of the numbers."""
    if share > LARGEST_SHARE_AT_LIMITS:
        yield RunWarning(
            "P1019",
            f"{100 * share:.2g} % of the weight lies where numbers are nearly too small, "
            "too large or too close to an end, and what lies beyond is left out: less "
            "extreme parameters, or the logarithm of the variable",
            {"share": share},
        )


def _finer(options: SamplerOptions) -> str:
    """What makes the steps of the path smaller."""
    if options.share is not None:
        return "a larger `ess` of `temper()`"
    return "more `steps`"
