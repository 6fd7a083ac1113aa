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


def test_conditions_along_an_axis() -> None:
    text = "x : Real[2, 3]\nx ~ Normal(0, 1) * where(all(any(x > 1, axis = {})))"
    x = torch.randn(5, 2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    above = phi((x - 1) / 0.5)
    for axis in (0, 1, -1):
        plan = poedsl.compile(text.format(axis))
        found = prepare_tempering(plan.bound().spec, RunSettings()).target
        some = 1 - (1 - above).prod(axis + 1 if axis >= 0 else axis)
        expected = some.prod(-1).log()
        torch.testing.assert_close(found.conditions(x.flatten(1), 0.5), expected)


def test_where_a_margin_is_undefined_its_inequality_fails() -> None:
    found = target("x < -1 or log(x) > 0.5")
    x = torch.tensor([[-3.0], [-1.2], [0.5], [4.0]], dtype=torch.float64).requires_grad_()
    logs = found.conditions(x, 0.9)
    (slope,) = torch.autograd.grad(logs.sum(), x)
    assert bool(logs.isfinite().all()) and bool(slope.isfinite().all())
    below = phi((-1 - x) / 0.1).log().flatten()
    torch.testing.assert_close(logs[:2], below[:2], atol=1e-5, rtol=0)
    logs = logs.detach()
    assert float(logs[2]) < -10 and float(logs[3]) == pytest.approx(0, abs=1e-4)
    failing = target("not (log(x) > 0.5)")
    log_odds = (math.log(4) - 0.5) / 0.025
    assert failing.conditions(torch.tensor([[-3.0], [4.0]]).double(), 0.9).tolist() == [
        pytest.approx(0, abs=1e-5),
        pytest.approx(float(torch.special.log_ndtr(torch.tensor(-log_odds))), rel=0.05),
    ]


@pytest.mark.parametrize(
    ("condition", "groups"),
    [
        ("all(x > -2)", 1),
        ("any(x[i] > x[i + 1] for i in range(19))", 2),
        ("all(x > -2) and sum(x) < 4", 2),
        ("max(x) < 3 and all(x > -2)", 2),
    ],
)
def test_slopes_of_margins_that_share_no_component_take_one_gradient(
    condition: str, groups: int
) -> None:
    found = target(condition, 20)
    x = torch.randn(7, 20, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert bool(found.conditions(x, 0.7).isfinite().all())
    (read,) = found._reads.values()
    assert len(read.groups) == groups
    margins = torch.cat([group.margins for group in read.groups])
    assert sorted(margins.tolist()) == list(range(len(margins)))


def test_planes_of_many_components() -> None:
    x = torch.randn(7, 20, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    each = phi((x + 2) / 0.3).log().sum(1)
    total = phi((4 - x.sum(1)) / (0.3 * 20**0.5)).log()
    found = target("all(x > -2) and sum(x) < 4", 20)
    torch.testing.assert_close(found.conditions(x, 0.7), each + total)


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
        ("x ~ Normal(0, 1) * where(x < -1.2 or log(x) > 0.5)", -1.2, math.exp(0.5)),
    ],
)
def test_a_rare_disjunction(program: str, below: float, above: float) -> None:
    """The density has the mass of two tails; no logarithm of a negative number is above 1."""
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
