"""Which Markov kernel runs at each stage, and for how many steps."""

from __future__ import annotations

from collections.abc import Mapping

from poedsl.compiler.plan.options import filled_form, form_name
from poedsl.compiler.plan.terms import Apply, Const, Term
from poedsl.compiler.planner.choose_steps import EVALUATION_BUDGET
from poedsl.compiler.planner.product import Choice, Product

#: The most steps of the default kernel at one stage.
MOST_KERNEL_STEPS = 3


def choose_kernel(product: Product, options: Mapping[str, Term]) -> Choice:
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
    if product.closed_form and not product.nonconservative:
        return Choice(
            _mala(options),
            "log densities are available, and with them a kernel that is exactly invariant",
        )
    return Choice(
        filled_form("kernel", "langevin"),
        "a learned flow has a score but no density, and this kernel needs only a score",
    )


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
