"""Evaluations that a plan states are those that a run counts."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from types import SimpleNamespace

import pytest
from torch import Tensor

import poedsl
from poedsl.compiler.plan.option_forms import KernelRow, OptionArgument
from poedsl.compiler.plan.options import OPTIONS
from poedsl.compiler.plan.reward_evaluations import reward_evaluations
from poedsl.experts.user import registry
from poedsl.experts.user.registry import Registry
from poedsl.runtime.core.particles import Point
from poedsl.runtime.kernels.kernel import StageTarget

PARTICLES = 10
NUMBERS = "x : Real[2]\nx ~ Normal(0, 1) * Normal(1, 1) * exp(height())"
SYMBOLS = "y : Tokens[5]\ny ~ Categorical([0.3, 0.7])^2 * exp(variety())"
ROWS = [row for row in OPTIONS["kernel"].forms if isinstance(row, KernelRow)]
#: Every kernel on every path that takes it.
PATHS = [
    *((NUMBERS, "flow()", row) for row in ROWS if row.moves != "symbols"),
    *((NUMBERS, f"temper({ess})", row) for row in ROWS if row.adjusted for ess in ("", "ess=none")),
    *((SYMBOLS, "prefix()", row) for row in ROWS if row.moves != "numbers"),
]
#: With arguments of the kernel, and when rewards weigh.
CASES = [
    *((*case, {"steps": 2}, "always") for case in PATHS),
    *((*case, {"steps": 2}, "at(3, 1)") for case in PATHS),
    *(
        (*case, {"steps": 2, "line": 3}, "always")
        for case in PATHS
        if any(a.name == "line" for a in case[2].arguments)
    ),
]


@pytest.fixture(autouse=True)
def rewards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "REGISTRY", Registry())

    @poedsl.reward
    def height(x: poedsl.Real[2]) -> float:  # type: ignore[valid-type]
        return -x.square().sum(-1)

    @poedsl.reward
    def variety(y: poedsl.Tokens) -> float:  # type: ignore[valid-type]
        return y.float().mean(-1)


@pytest.mark.slow
@pytest.mark.parametrize(("program", "path", "row", "arguments", "when"), CASES)
def test_planned_and_counted_evaluations_agree(
    program: str, path: str, row: KernelRow, arguments: dict[str, int], when: str
) -> None:
    """Beside those of the plan is one at the start; an unadjusted kernel saves those of the last
    stage, where it shrinks to nothing.
    """
    written = ", ".join(f"{n} = {v}" for n, v in arguments.items() if row.name != "none")
    options = {
        "kernel": f"{row.name}({written})",
        "path": path,
        "resample": f"systematic(when = {when})",
        **({"steps": 4} if program == NUMBERS else {}),
    }
    plan = poedsl.compile(program).with_options(particles=PARTICLES, **options)
    result = plan.run(seed=0)
    spec = plan.with_options(steps=len(result.stages) - 1).spec
    by_kernel = spec.nfe // spec.stages - 1
    unfinished = path == "flow()" and row.moves == "numbers" and not row.adjusted
    assert result.nfe == 1 + spec.nfe - (by_kernel if unfinished else 0)
    assert [s.nfe for s in result.stages[1:-1]] == [1 + by_kernel] * (spec.stages - 1)
    (reward,) = result.calls.keys() & {"height", "variety"}
    assert result.calls[reward] == PARTICLES * reward_evaluations(spec)


def test_a_gibbs_step_evaluates_a_prefix_once_or_twice() -> None:
    """As it is, and with the new block from that on: of each symbol one evaluation or two."""
    plan = poedsl.compile("y : Tokens[6]\ny ~ Categorical([0.3, 0.7])").with_options(particles=50)
    plain, moved = plan.run(seed=0), plan.run(seed=0, kernel="gibbs(steps = 4)")
    symbols = (moved.calls["Categorical"] - plain.calls["Categorical"]) / 50
    once = 4 * sum(range(1, 7))
    assert once < symbols < 2 * once


@dataclass(frozen=True, slots=True)
class Halving:
    """An unadjusted Langevin step as several shorter ones, each with its share of the noise."""

    parts: int

    def step(
        self,
        point: Point,
        target: StageTarget,
        noise: Tensor,
        uniform: Tensor | None,
        variance: Tensor,
    ) -> tuple[Point, None]:
        x, at = point.x, point.at or target.evaluate(point.x)
        share = variance / self.parts
        for _ in range(self.parts):
            x = x + 0.5 * share * at.drift + (share / self.parts).sqrt() * noise
            at = target.evaluate(x)
        return Point(x, at), None


def test_a_kernel_with_an_argument_of_its_own_is_a_class_and_a_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    row = KernelRow(
        "halving",
        (
            OptionArgument("steps", "count", 1),
            OptionArgument("parts", "count", 2),
            OptionArgument("step_size", "positive", 0.5),
        ),
        needs_score=True,
        evaluations=lambda arguments: int(str(arguments["parts"])),
        implementation="halving:Halving",
    )
    kernels = replace(OPTIONS["kernel"], forms=(*OPTIONS["kernel"].forms, row))
    monkeypatch.setitem(OPTIONS, "kernel", kernels)
    module = SimpleNamespace(Halving=Halving)
    monkeypatch.setitem(sys.modules, "poedsl.runtime.kernels.halving", module)
    plan = poedsl.compile("x ~ Normal(0, 1) * Normal(1, 1)").with_options(
        particles=PARTICLES, steps=4, path="flow()", kernel="halving(steps = 2, parts = 3)"
    )
    assert plan.spec.nfe == 4 * (1 + 2 * 3)
    assert [s.nfe for s in plan.run(seed=0).stages] == [1, 7, 7, 7, 1]
