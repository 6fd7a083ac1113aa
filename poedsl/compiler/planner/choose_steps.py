"""How many annealing steps."""

from __future__ import annotations

from collections.abc import Mapping

from poedsl.compiler.plan.options import form_name, kernel_evaluations
from poedsl.compiler.plan.terms import Const, Term
from poedsl.compiler.planner.product import Choice, Product

#: Evaluations of all experts for each particle of a product of densities.
EVALUATION_BUDGET = 192
#: The fewest stages of a product of densities.
FEWEST_STAGES = 48
#: Sections of a video whose length is not constant.
VIDEO_SECTIONS = 4


def choose_steps(product: Product, options: Mapping[str, Term]) -> Choice:
    if product.sequential:
        if product.pictures:
            return Const(VIDEO_SECTIONS), "sections, each a stage"
        symbols = product.extension == "symbols"
        return Const(product.length), "a token a stage" if symbols else "a section a stage"
    if product.nonconservative:
        return Const(50), "fine enough for learned flows"
    tempered, kernel = form_name(options["path"]) == "temper", options["kernel"]
    if product.closed_form and not tempered and form_name(kernel) == "none":
        reason = "without a kernel nothing mends a coarse step, and these experts are cheap"
        return Const(1000), reason
    if product.closed_form or tempered:
        return _affordable(kernel)
    return Const(50), "fine enough for the weights of a learned flow"


def _affordable(kernel: Term) -> Choice:
    """As many stages as the evaluation budget allows with this kernel."""
    evaluations = kernel_evaluations(kernel)
    if not 0 < evaluations < EVALUATION_BUDGET // FEWEST_STAGES:
        return Const(FEWEST_STAGES), "fine enough for the weights of densities"
    each = ("one kernel step", "two evaluations by the kernel", "three evaluations by the kernel")
    reason = f"with {each[evaluations - 1]} a stage, under 200 evaluations of all experts"
    return Const(EVALUATION_BUDGET // (evaluations + 1)), reason
