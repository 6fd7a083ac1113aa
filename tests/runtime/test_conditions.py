"""Conditions with several pieces and rewards that jump, against quadrature."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import poedsl
from poedsl.compiler.plan.terms import Apply

pytestmark = pytest.mark.statistical


def log_integral(log_factor: Callable[[Tensor], Tensor]) -> float:
    """Of N(0, 1) times a factor, by cells a ten-thousandth wide."""
    x = torch.arange(-9, 9, 1e-4, dtype=torch.float64) + 5e-5
    normal = -0.5 * x.square() - 0.5 * math.log(2 * math.pi)
    return float(torch.logsumexp(normal + log_factor(x), 0)) + math.log(1e-4)


def inside(condition: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda x: torch.where(condition(x), 0.0, -math.inf)


def log_evidence(program: str, islands: int = 2, particles: int = 1000, **options: Any) -> float:
    """Of islands with so many particles each."""
    options = {"islands": islands, "particles": islands * particles, **options}
    found = poedsl.compile(program).run(seed=0, **options).log_evidence
    assert found is not None
    return found


@pytest.mark.slow
@pytest.mark.parametrize("path", ["flow()", "temper()"])
@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("x > 1.5", lambda x: x > 1.5),
        ("abs(x) > 1", lambda x: x.abs() > 1),
        ("x * x > 1", lambda x: x * x > 1),
        ("(x - 1) * (x + 1) * x > 0", lambda x: (x - 1) * (x + 1) * x > 0),
        ("sin(3 * x) > 0 and x^2 < 4", lambda x: ((3 * x).sin() > 0) & (x * x < 4)),
    ],
)
def test_conditions_in_pieces(condition: str, holds: Callable[[Tensor], Tensor], path: str) -> None:
    found = log_evidence(f"x ~ Normal(0, 1) * where({condition})", path=path)
    assert found == pytest.approx(log_integral(inside(holds)), abs=0.08)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("factor", "log_factor"),
    [
        ("exp(-10000 * sum(x < 0))", lambda x: torch.where(x < 0, -1e4, 0.0)),
        ("exp(5 * sum(x > 0))", lambda x: torch.where(x > 0, 5.0, 0.0)),
        ("exp(-2 * (x^2 - 4)^2)", lambda x: -2 * (x * x - 4).square()),
        ("exp(3 * cos(4 * x))", lambda x: 3 * (4 * x).cos()),
        ("exp(-3 * abs(round(x)))", lambda x: -3 * x.round().abs()),
        ("where(sin(10 * x) > 0)", inside(lambda x: (10 * x).sin() > 0)),
    ],
)
def test_what_noise_hides_is_tempered(factor: str, log_factor: Callable[[Tensor], Tensor]) -> None:
    program = f"x ~ Normal(0, 1) * {factor}"
    path = poedsl.compile(program).spec.option("path")
    assert isinstance(path, Apply) and path.function == "temper"
    assert log_evidence(program, 1) == pytest.approx(log_integral(log_factor), abs=0.1)


@pytest.mark.slow
def test_conditions_without_a_slope() -> None:
    """A saddle, of two components among eight."""
    program = "x : Real[8]\nx ~ Normal(0, 1) * where(x[0] * x[1] > 0.5)"
    y = torch.arange(1e-4, 9, 1e-4, dtype=torch.float64)
    density = torch.exp(-0.5 * y.square()) / math.sqrt(2 * math.pi)
    beyond = torch.special.ndtr(-0.5 / y)
    truth = math.log(2 * float((density * beyond).sum()) * 1e-4)
    assert log_evidence(program) == pytest.approx(truth, abs=0.05)


@pytest.mark.slow
def test_conditions_on_the_plane() -> None:
    """A ring: its middle has no slope to go by."""
    program = "x : Real[2]\nx ~ Normal(0, 1) * where(sum(x^2) > 3 and sum(x^2) < 6)"
    found = log_evidence(program, particles=500)
    assert found == pytest.approx(math.log(math.exp(-1.5) - math.exp(-3)), abs=0.08)


@pytest.mark.slow
def test_rewards_of_minus_infinity_are_reported(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        """
import math
import poedsl, torch

@poedsl.reward
def right(x: poedsl.Real[2]):
    return torch.where(x[:, 0] > 0, 0.0, -math.inf)
"""
    )
    (tmp_path / "own.poe").write_text(
        'use right from "own.py:right"\nx : Real[2]\nx ~ Normal(0, 1) * exp(right())\n'
    )
    plan = poedsl.compile(tmp_path / "own.poe", allow_code=True)
    assert any(w.code == "P1003" for w in plan.run(seed=0, path="flow()").warnings)
    tempered = plan.run(seed=0)
    assert tempered.log_evidence == pytest.approx(math.log(0.5), abs=0.1)
    assert not any(w.code == "P1003" for w in tempered.warnings)


@pytest.mark.slow
def test_widths_far_apart() -> None:
    """Of which the product has but a millionth of a millionth."""
    runs = [poedsl.compile("x ~ Normal(0, 1e6) * Normal(0, 1e-6)").run(seed=s) for s in range(4)]
    truth = -0.5 * math.log(2 * math.pi * 1e12)
    assert all(run.log_evidence == pytest.approx(truth, abs=0.3) for run in runs)
