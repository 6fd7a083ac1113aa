"""What a plan's models cost: how often they are evaluated, and for how long."""

from __future__ import annotations

from collections.abc import Iterator

from poedsl.compiler.plan.options import form_constants, form_name, kernel_traits
from poedsl.compiler.plan.plan import GENERATIVE, PlanSpec
from poedsl.compiler.plan.terms import Apply, Const, walk


def costs(plan: PlanSpec) -> Iterator[str]:
    """The cost of each factor whose signatures state one.

    Kernels evaluate rewards that have a gradient at every step. Other rewards are evaluated once a
    stage, and once a step of a kernel that accepts or rejects by them.
    """
    particles = plan.option("particles")
    count = particles.value if isinstance(particles, Const) else 1
    assert isinstance(count, int)
    for factor in plan.factors:
        calls = {t for t in walk(factor.term) if isinstance(t, Apply)}
        signatures = [(c, s) for c in calls if (s := plan.find_signature(c.function)) is not None]
        cost = sum(signature.cost for _, signature in signatures)
        if not cost:
            continue
        rewards = [c for c, signature in signatures if signature.family == "reward"]
        differentiable = all("gradient" in plan.capabilities(c) for c in rewards)
        every_step = differentiable and form_name(plan.option("path")) != "prefix"
        if factor.kind in GENERATIVE or every_step:
            evaluations = plan.nfe + 1
        else:
            evaluations = black_box_evaluations(plan)
        suffix = " for each part" if factor.loops else ""
        duration = spoken(cost * evaluations * count / 1000)
        yield (
            f"{factor.name}: {evaluations} evaluations of {count} particles{suffix}, "
            f"about {duration}"
        )


def black_box_evaluations(plan: PlanSpec) -> int:
    """Evaluations of rewards without a gradient, for each particle."""
    kernel = plan.option("kernel")
    steps = form_constants(kernel).get("steps", 0)
    accepts = kernel_traits(form_name(kernel)).adjusted
    if accepts and form_name(plan.option("potential")) == "difference" and isinstance(steps, int):
        return plan.stages * (1 + steps)
    return plan.stages


def spoken(seconds: float) -> str:
    """A duration to one or two digits."""
    for unit, size in (("h", 3600), ("min", 60), ("s", 1)):
        if seconds >= size:
            return f"{_rounded(seconds / size)} {unit}"
    return f"{_rounded(1000 * seconds)} ms"


def _rounded(number: float) -> str:
    return f"{float(f'{number:.2g}'):g}"
