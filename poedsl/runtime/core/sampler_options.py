"""The options of a plan, as the sampler reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from poedsl.compiler.plan.option_forms import KernelRow
from poedsl.compiler.plan.option_values import argument, form_name, kernel_traits
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.resampling_rule import ResamplingRule
from poedsl.compiler.plan.terms import Apply, Const, Term


@dataclass(frozen=True, slots=True)
class SamplerOptions:
    """Particles are those of one island; ``eta`` is the square root of the share of the path's own
    noise in a move; ``kernel_arguments`` are all of the kernel's, by name; ``share`` is
    the effective sample size that places the stages of tempering, ``base`` what they start from,
    ``unbiased`` whether a pilot run tunes them and their kernels.
    """

    particles: int
    islands: int
    steps: int
    share: float | None
    base: Apply | None
    unbiased: bool
    move: Literal["none", "ode", "sde"]
    eta: float
    control: bool
    kernel: str
    kernel_arguments: Mapping[str, Any]
    kernel_steps: int
    step_size: float
    adapt: bool
    precondition: bool
    correlation: float | None
    correct: Literal["none", "fkc", "ais"]
    clip: float | None
    potential: Literal["difference", "maximum", "sum", "full"]
    scheme: str
    resample: ResamplingRule | None

    @property
    def traits(self) -> KernelRow:
        return kernel_traits(self.kernel)

    @property
    def line(self) -> int | None:
        """Inner nodes of the line integral of the scores that replaces log densities."""
        return self.kernel_arguments.get("line")

    def kernel_evaluations(self, steps: int) -> int:
        """Evaluations of all experts by so many steps of the kernel."""
        return steps * self.traits.evaluations(self.kernel_arguments)

    @property
    def weighing(self) -> int:
        """At how many stages black-box rewards weigh."""
        return len(self.resample.stages) if self.resample and self.resample.stages else self.steps

    @classmethod
    def of(cls, plan: PlanSpec) -> SamplerOptions:
        move, kernel = _form(plan.option("move")), _form(plan.option("kernel"))
        correct, resample = _form(plan.option("correct")), _form(plan.option("resample"))
        total, islands = _constant(plan.option("particles")), _constant(plan.option("islands"))
        return cls(
            particles=total // islands,
            islands=islands,
            steps=_constant(plan.option("steps")),
            share=_share(plan.option("path")),
            base=_form(plan.option("path")).get("base"),
            unbiased=_form(plan.option("path")).get("unbiased", False),
            move=move["form"],
            eta=float(move.get("noise", 1.0)),
            control=move.get("control", False),
            kernel=kernel["form"],
            kernel_arguments={name: kernel[name] for name in kernel if name != "form"},
            kernel_steps=kernel.get("steps", 0),
            step_size=float(kernel.get("step_size", 1.0)),
            adapt=kernel.get("adapt", False),
            precondition=kernel.get("precondition", False),
            correlation=kernel.get("correlation"),
            correct=correct["form"],
            clip=None if correct.get("clip") is None else float(correct["clip"]),
            potential=_form(plan.option("potential"))["form"],
            scheme=resample["form"],
            resample=ResamplingRule.of(plan.option("resample")),
        )


def _share(path: Term) -> float | None:
    """The ESS that places stages; None of paths whose stages are fixed."""
    share = argument("path", path, "ess") if form_name(path) == "temper" else None
    return float(share) if isinstance(share, (int, float)) else None


def _constant(term: Term) -> Any:
    assert isinstance(term, Const)
    return term.value


def _form(term: Term) -> dict[str, Any]:
    assert isinstance(term, Apply)
    arguments = {k: v.value if isinstance(v, Const) else v for k, v in term.kwargs}
    return {"form": term.function, **arguments}


def keeps_best(plan: PlanSpec) -> bool:
    """Whether the best particle is what a person is shown first."""
    keep = plan.option("keep")
    return isinstance(keep, Apply) and keep.function == "best"
