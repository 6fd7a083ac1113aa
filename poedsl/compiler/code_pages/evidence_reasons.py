"""Pages of reasons for a missing or inexact evidence."""

from __future__ import annotations

from poedsl.grammar.codes import CodePage

EVIDENCE_REASONS: dict[str, CodePage] = {
    "P1101": CodePage("no evidence: the run did not complete", "The outcome says why.\n"),
    "P1102": CodePage(
        "no evidence: scores that are not those of a density",
        """\
A mask as exponent, or `given`, defines a field of scores that is in general not the gradient of a
log density, so that there is no integral to estimate.
""",
    ),
    "P1103": CodePage(
        "no evidence: a setting that biases it",
        """\
The message names the setting. `correct = none()` has no weights that correct for the mismatch with
the intermediate targets; `fkc(clip = ...)` limits log weights; `tophalf()` drops the lower half
whatever its weights are; `potential = full()` counts rewards at every stage (Zhang et al.,
Algorithm 1). `fkc()` or `ais()`, `systematic()` and `difference()` do not bias the evidence.
""",
    ),
    "P1107": CodePage(
        "no evidence: a sum over sequences without a bound",
        "An expert divides by zero; the warning P1008 names it.\n",
    ),
    "P1108": CodePage(
        "no evidence: all particles have weight zero",
        "No particle satisfies every constraint. Use more particles, or wider constraints.\n",
    ),
    "P1111": CodePage(
        "no standard error: one island has all the weight",
        "The spread between islands cannot be estimated. Use more `particles` or `steps`.\n",
    ),
    "P1112": CodePage(
        "no standard error from one population",
        """\
The variance of log Z is estimated from what the descendants of different particles contributed to
it, which takes 30 ancestors or more since the kernel last made particles independent of their past.
More `particles` leave more of them, and `islands = 4` (or more) gives an error from their spread.
""",
    ),
    "P1113": CodePage(
        "no standard error from the genealogy",
        """\
The weight is with too few families of particles, or the estimate of the variance is below zero.
Use more particles, or four islands or more.
""",
    ),
    "P1120": CodePage(
        "an approximate evidence",
        """\
The evidence has a bias that more particles do not remove: from moves of finite length (`fkc`),
unadjusted kernels, acceptance by an integral of scores (`line`), or a control drift that is fitted
to the particles.
""",
    ),
}
