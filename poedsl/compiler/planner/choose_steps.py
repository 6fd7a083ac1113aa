"""How many annealing steps."""

from __future__ import annotations

from collections.abc import Mapping

from poedsl.compiler.plan.option_values import form_name, kernel_evaluations
from poedsl.compiler.plan.terms import Const, Term
from poedsl.compiler.planner.choose_path import places_stages
from poedsl.compiler.planner.product import Choice, PlannedProduct

#: Evaluations of all experts for each particle of a product of densities.
EVALUATION_BUDGET = 192
#: The fewest stages of a product of densities.
FEWEST_STAGES = 48
#: The most stages of a path that places them by itself.
MOST_STAGES = 1000
#: Sections of a video whose length is not constant.
VIDEO_SECTIONS = 4


def choose_steps(product: PlannedProduct, options: Mapping[str, Term]) -> Choice:
    if product.sequential:
        unit = "token" if product.extension == "symbols" else "section"
        steps = VIDEO_SECTIONS if product.pictures else product.length
        return Choice(Const(steps), f"every stage extends the prefix by one {unit}")
    if product.nonconservative:
        return Choice(Const(50), "50 steps keep the discretization error of a learned flow small")
    tempered, kernel = form_name(options["path"]) == "temper", options["kernel"]
    if places_stages(options["path"]):
        return Choice(
            Const(MOST_STAGES), "the run places as many stages as it needs, and at most these"
        )
    if product.closed_form and not tempered and form_name(kernel) == "none":
        reason = (
            "without a kernel no step corrects the error of another, and these experts are cheap"
        )
        return Choice(Const(1000), reason)
    if product.closed_form or tempered:
        return _affordable(kernel)
    return Choice(Const(50), "50 steps keep the variance of the weights of a learned flow small")


def _affordable(kernel: Term) -> Choice:
    """As many stages as the evaluation budget allows with this kernel."""
    evaluations = kernel_evaluations(kernel)
    if not 0 < evaluations < EVALUATION_BUDGET // FEWEST_STAGES:
        return Choice(
            Const(FEWEST_STAGES), f"{FEWEST_STAGES} steps keep the variance of the weights small"
        )
    phrases = ("one kernel step", "two kernel evaluations", "three kernel evaluations")
    reason = f"with {phrases[evaluations - 1]} per stage, all experts are evaluated under 200 times"
    return Choice(Const(EVALUATION_BUDGET // (evaluations + 1)), reason)
