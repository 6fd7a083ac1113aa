"""How often a run evaluates rewards without a gradient."""

from __future__ import annotations

from poedsl.compiler.plan.option_forms import KernelRow
from poedsl.compiler.plan.option_values import (
    argument,
    form_constants,
    form_name,
    kernel_traits,
)
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.resampling_rule import ResamplingRule


def accepts_by_rewards(kernel: KernelRow, potential: str) -> bool:
    """Whether a kernel accepts by the black-box rewards where these weigh, which then are part of
    its target: an adjusted one does, where rewards weigh by what they are at a stage alone.
    """
    return kernel.adjusted and potential == "difference"


def reward_evaluations(plan: PlanSpec) -> int:
    """Evaluations of a black-box reward, each over all particles; if the plan is open, the most.

    One where a move led and one for each step of a kernel that accepts by rewards, at each stage at
    which they weigh; one to place the stage, where the ESS does; and the exact value at the end,
    which is all that sequences of symbols take.
    """
    path, kernel = plan.option("path"), plan.option("kernel")
    if form_name(path) == "prefix" and any(f.kind == "tokens" for f in plan.factors):
        return 1
    rule = ResamplingRule.of(plan.option("resample"))
    weighed = sum(rule is None or rule.weighs(t) for t in range(1, plan.stages + 1))
    row, steps = kernel_traits(form_name(kernel)), form_constants(kernel).get("steps")
    accepting = accepts_by_rewards(row, form_name(plan.option("potential")))
    by_kernel = steps if accepting and isinstance(steps, int) else 0
    placed = form_name(path) == "temper" and argument("path", path, "ess") is not None
    return weighed * (1 + by_kernel) + placed * plan.stages + 1
