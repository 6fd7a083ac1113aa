"""Conditions while they are relaxed: the chance that they hold a spread away."""

from __future__ import annotations

import math

import pytest
import torch

import poedsl
from poedsl.runtime.build.prepare import prepare_tempering
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.results.verdict import Verdict
from poedsl.runtime.targets.tempering import TemperedTarget


def target(condition: str, size: int = 1) -> TemperedTarget:
    declared = f"x : Real[{size}]\n" if size > 1 else ""
    text = f"{declared}x ~ Normal(0, 1) * where({condition})"
    return prepare_tempering(poedsl.compile(text).bound().spec, RunSettings()).target


def phi(value: torch.Tensor) -> torch.Tensor:
    return torch.special.ndtr(value)


@pytest.mark.parametrize(
    ("condition", "chance"),
    [
        ("x > 1", lambda x, s: phi((x - 1) / s)),
        ("not (x > 1)", lambda x, s: phi((1 - x) / s)),
        ("x < -2 or x > 1", lambda x, s: 1 - phi((x + 2) / s) * phi((1 - x) / s)),
        ("not (x > -2 and x < 1)", lambda x, s: 1 - phi((x + 2) / s) * phi((1 - x) / s)),
        ("any([x < -2, x > 1])", lambda x, s: 1 - phi((x + 2) / s) * phi((1 - x) / s)),
        (
            "(x < -2 or x > 1) and x < 3",
            lambda x, s: (1 - phi((x + 2) / s) * phi((1 - x) / s)) * phi((3 - x) / s),
        ),
    ],
)
def test_the_chance_of_a_condition(condition: str, chance: object) -> None:
    assert callable(chance)
    found = target(condition)
    x = torch.linspace(-4, 4, 41, dtype=torch.float64)
    for b in (0.2, 0.9):
        expected = chance(x, torch.tensor(1 - b, dtype=torch.float64)).log()
        seen = expected > -25
        assert int(seen.sum()) >= 15
        logs = found.conditions(x[:, None], b)
        torch.testing.assert_close(logs[seen], expected[seen], atol=1e-5, rtol=1e-5)


def test_conditions_on_every_component() -> None:
    x = torch.tensor([[0.2, -0.4, 1.5]], dtype=torch.float64)
    below = phi((x - 1) / 0.5)
    every, some = target("all(x > 1)", 3), target("any(x > 1)", 3)
    none = target("not any(x > 1)", 3)
    expected = [below.prod(), 1 - (1 - below).prod(), (1 - below).prod()]
    for found, chance in zip((every, some, none), expected, strict=True):
        assert float(found.conditions(x, 0.5)) == pytest.approx(float(chance.log()), abs=1e-6)


@pytest.mark.parametrize("condition", ["x < -2 or x > 1", "not (x > -2 and x < 1)"])
def test_far_from_where_it_holds_the_chance_has_a_slope(condition: str) -> None:
    found = target(condition)
    x = torch.tensor([[-0.6], [0.9], [0.3]], dtype=torch.float64).requires_grad_()
    logs = found.conditions(x, 0.998)
    assert bool((logs < -500).any()) and bool(logs.isfinite().all())
    (slope,) = torch.autograd.grad(logs.sum(), x)
    assert bool(slope.isfinite().all())
    assert slope[0] < 0 < slope[1] and slope[2] > 0


@pytest.mark.statistical
@pytest.mark.parametrize(
    ("program", "below", "above"),
    [
        ("x ~ Normal(-0.116, 1.06) * where(x < -3.92 or x > 5.65)", -3.92, 5.65),
        ("x ~ Normal(0.5, 1) * where(not (x > -2.5 and x < 3.2))", -2.5, 3.2),
        ("x ~ Normal(0, 2) * where(any([x < -7, x > 7.5]))", -7.0, 7.5),
    ],
)
def test_a_rare_disjunction(program: str, below: float, above: float) -> None:
    """The density has the mass of two tails."""
    loc, scale = (float(v) for v in program.split("Normal(")[1].split(")")[0].split(", "))
    normal = torch.distributions.Normal(loc, scale)
    low = float(normal.cdf(torch.tensor(below, dtype=torch.float64)))
    high = float(normal.cdf(torch.tensor(2 * loc - above, dtype=torch.float64)))
    results = [poedsl.compile(program).run(seed=seed) for seed in range(3)]
    for result in results:
        assert result.verdict is Verdict.RELIABLE and result.log_evidence is not None
        assert result.log_evidence == pytest.approx(math.log(low + high), abs=0.2)
        share = float(result.log_weights.exp()[result.particles["x"] > 0].sum())
        assert share == pytest.approx(high / (low + high), abs=0.1)
