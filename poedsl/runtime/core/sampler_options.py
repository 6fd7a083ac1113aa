"""The options of a plan, as the sampler reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from poedsl.compiler.plan.option_forms import KernelRow
from poedsl.compiler.plan.option_values import argument, form_name, kernel_traits
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.terms import Apply, Const, Ref, Term


@dataclass(frozen=True, slots=True)
class ResamplingRule:
    """When to resample: below a share of the population in ESS, at given stages, or always."""

    below: float = 0.0
    stages: frozenset[int] = frozenset()
    always: bool = False


@dataclass(frozen=True, slots=True)
class SamplerOptions:
    """Particles are those of one island; ``eta`` is the square root of the share of the path's own
    noise in a move; ``line`` counts the inner nodes of a line integral of the scores; ``share`` is
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
    kernel_steps: int
    step_size: float
    leaps: int
    block: int
    line: int | None
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
    def weighing(self) -> int:
        """At how many stages black-box rewards weigh."""
        return len(self.resample.stages) if self.resample and self.resample.stages else self.steps

    @classmethod
    def of(cls, plan: PlanSpec) -> SamplerOptions:
        move, kernel = _form(plan.option("move")), _form(plan.option("kernel"))
        correct, resample = _form(plan.option("correct")), _form(plan.option("resample"))
        when = resample.pop("when", None)
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
            kernel_steps=kernel.get("steps", 0),
            step_size=float(kernel.get("step_size", 1.0)),
            leaps=kernel.get("leaps", 1),
            block=kernel.get("block", 1),
            line=kernel.get("line"),
            adapt=kernel.get("adapt", False),
            precondition=kernel.get("precondition", False),
            correlation=kernel.get("correlation"),
            correct=correct["form"],
            clip=None if correct.get("clip") is None else float(correct["clip"]),
            potential=_form(plan.option("potential"))["form"],
            scheme=resample["form"],
            resample=None if resample["form"] == "none" else _rule(when),
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


def _rule(term: Term) -> ResamplingRule:
    match term:
        case Ref("always"):
            return ResamplingRule(always=True)
        case Apply("at", args):
            return ResamplingRule(stages=frozenset(_constant(a) for a in args))
        case Apply("<", (_, limit)):
            return ResamplingRule(below=_constant(limit))
    raise ValueError(f"not a rule for resampling: {term}")


def keeps_best(plan: PlanSpec) -> bool:
    """Whether the best particle is what a person is shown first."""
    keep = plan.option("keep")
    return isinstance(keep, Apply) and keep.function == "best"
