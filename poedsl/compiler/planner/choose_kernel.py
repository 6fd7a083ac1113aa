"""Which Markov kernel runs at each stage, and for how many steps."""

from __future__ import annotations

from collections.abc import Mapping

from poedsl.compiler.plan.option_values import filled_form, form_name
from poedsl.compiler.plan.terms import Apply, Const, Term
from poedsl.compiler.planner.choose_path import places_stages
from poedsl.compiler.planner.choose_steps import EVALUATION_BUDGET
from poedsl.compiler.planner.product import Choice, PlannedProduct

#: The most steps of a kernel that goes on until its particles are independent of their past.
MOST_STEPS_TO_MIX, MOST_TRAJECTORIES = 100, 30
#: Of particles with where they were before these steps, by components.
CORRELATION = 0.15
#: Up to so many components Barker proposals are preferred.
FEW_COMPONENTS = 20
#: The most steps of the default kernel at one stage.
MOST_KERNEL_STEPS = 3


def choose_kernel(product: PlannedProduct, options: Mapping[str, Term]) -> Choice:
    if product.extension == "symbols":
        return Choice(
            Apply("none"), "tokens are drawn exactly from the product of the conditionals"
        )
    if product.extension == "draws":
        return Choice(
            Apply("none"), "an expert has no density of prefixes, which a kernel would need"
        )
    if product.extension == "densities":
        return Choice(_mala(options), "the densities of prefixes are available")
    if places_stages(options["path"]):
        return _until_mixed(product)
    if product.closed_form and not product.nonconservative:
        return Choice(
            _mala(options),
            "log densities are available, and with them a kernel that is exactly invariant",
        )
    return Choice(
        filled_form("kernel", "langevin"),
        "a learned flow has a score but no density, and this kernel needs only a score",
    )


def _until_mixed(product: PlannedProduct) -> Choice:
    """A preconditioned kernel with as many steps as it takes."""
    arguments: dict[str, Term] = {"precondition": Const(True), "correlation": Const(CORRELATION)}
    if product.components is not None and product.components <= FEW_COMPONENTS:
        arguments["steps"] = Const(MOST_STEPS_TO_MIX)
        reason = "gradients of any size decide the signs of its steps, which go on until it mixes"
        return Choice(filled_form("kernel", "barker", arguments), reason)
    arguments["steps"] = Const(MOST_TRAJECTORIES)
    reason = "in many components its trajectories are the fastest, and they go on until it mixes"
    return Choice(filled_form("kernel", "hmc", arguments), reason)


def _mala(options: Mapping[str, Term]) -> Term:
    """MALA; on the path from noise with as many steps as the evaluation budget allows at the
    number of stages that the program sets, and one step where it sets none.
    """
    steps = options.get("steps")
    stages = steps.value if isinstance(steps, Const) and isinstance(steps.value, int) else 0
    affordable = EVALUATION_BUDGET // stages - 1 if stages else 1
    from_noise = form_name(options["path"]) == "flow"
    most = MOST_KERNEL_STEPS
    kernel_steps = min(max(affordable, 1), most) if from_noise else most
    return filled_form("kernel", "mala", {"steps": Const(kernel_steps)})
