"""What an option of ``sample ... by anneal(...)`` may be: its forms and their arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from poedsl.compiler.plan.terms import Value


@dataclass(frozen=True, slots=True)
class OptionArgument:
    """An argument of an option's form: its kind and its default.

    Attributes:
        approximate: why results are approximate when the argument differs from its default.
        biased: why no evidence is reported then.
    """

    name: str
    kind: str
    default: Value
    approximate: str = ""
    biased: str = ""


@dataclass(frozen=True, slots=True)
class Form:
    """One value that an option may have, such as ``langevin(steps = 1, step_size = 0.55)``.

    Attributes:
        needs_density: whether it evaluates the log density of every expert.
        needs_conservative: whether the combined scores must be the gradient of a log density.
        approximate: why results are approximate under this form.
        biased: why no evidence is reported under this form.
    """

    name: str
    arguments: tuple[OptionArgument, ...] = ()
    summary: str = ""
    available: bool = True
    needs_density: bool = False
    needs_conservative: bool = False
    approximate: str = ""
    biased: str = ""


def one_and_nodes(arguments: Mapping[str, Value]) -> int:
    """One evaluation, and one for each inner node of the line integral that replaces densities."""
    line = arguments.get("line")
    return 1 + (line if isinstance(line, int) else 0)


@dataclass(frozen=True, slots=True)
class KernelRow(Form):
    """A Markov kernel: what it moves, what it needs, and how it adapts.

    Attributes:
        moves: real-valued variables, symbols, or nothing.
        needs_score: whether a proposal follows the score.
        acceptance_target: the acceptance rate that the step size adapts to; None for a kernel
            without a Metropolis correction.
        normals: the number of standard normals that a step takes for each component.
        trajectories: whether a step follows a trajectory, whose length has to vary.
        evaluations: of all experts by one step, by the values of the arguments.
        implementation: ``module:Class`` below `poedsl.runtime.kernels`; empty for none. Those of
            the arguments that are its fields are passed to it.
    """

    moves: Literal["numbers", "symbols", "nothing"] = "numbers"
    needs_score: bool = False
    acceptance_target: float | None = None
    normals: int = 1
    trajectories: bool = False
    evaluations: Callable[[Mapping[str, Value]], int] = one_and_nodes
    implementation: str = ""

    @property
    def adjusted(self) -> bool:
        """Whether a Metropolis correction makes the kernel exactly invariant."""
        return self.acceptance_target is not None

    @property
    def has_step_size(self) -> bool:
        return any(a.name == "step_size" for a in self.arguments)


@dataclass(frozen=True, slots=True)
class Option:
    """An option: either a plain value of a kind, or one of several forms."""

    name: str
    summary: str
    kind: str = ""
    forms: tuple[Form, ...] = ()

    def form(self, name: str) -> Form | None:
        return next((f for f in self.forms if f.name == name), None)

    @property
    def expected(self) -> str:
        if self.forms:
            shown = [f"`{f.name}`" for f in self.forms]
            return "one of " + ", ".join(shown) if len(shown) > 1 else "".join(shown) or "left out"
        return KINDS[self.kind]


#: Kinds of plain values, in words.
KINDS = {
    "count": "a whole number of at least 1",
    "nodes": "a whole number of at least 1, or none",
    "whole": "a whole number of at least 0",
    "positive": "a number above 0, from 1e-150 to 1e150",
    "nonnegative": "a number of at least 0, up to 1e150",
    "limit": "a number above 0, from 1e-150 to 1e150, or none",
    "share": "a number between 0 and 1, or none",
    "truth": "true or false",
    "density": "a density of numbers such as `Normal(0, 5)`, a mixture of such, or none",
    "image": "the name of an input with the variable's type",
    "rule": "`always`, `ess < c` with c between 0 and 1, or `at(stage, ...)`",
    "gradient": "`backward()` or `forward()`",
}
