"""Whole runs against closed forms and exact draws."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import torch

import poedsl
from poedsl.runtime.core.devices import find_device
from poedsl.runtime.smc.records import Outcome
from tests.diagnostics import refused
from tests.runtime.helpers import CROSSING, crossing_log_evidence, moments


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize(
    ("program", "mean", "variance", "log_z"),
    [
        ("x ~ Normal(0, 1) * Normal(2, 1)", 1.0, 0.5, -0.5 * math.log(4 * math.pi) - 1),
        (
            "x ~ Normal(100, 5) * Normal(110, 5)",
            105.0,
            12.5,
            -0.5 * math.log(2 * math.pi * 50) - 1,
        ),
        ("x ~ Normal(0, 0.01)^2", 0.0, 5e-5, -math.log(0.01) - 0.5 * math.log(4 * math.pi)),
        ("x ~ Normal(0, 1)^0.5", 0.0, 2.0, 0.25 * math.log(2 * math.pi) + 0.5 * math.log(2)),
        ("x ~ Normal(0, 1) * exp(0.5 * x)", 0.5, 1.0, 0.125),
        ("x ~ Normal(0, 1) * exp(-2 * (x - 3)^2)", 2.4, 0.2, -0.5 * math.log(5) - 2 * 9 / 5),
        ("x ~ Normal(0, 0.1) * Normal(0, 10) * exp(5 * x)", 0.04999, 0.009999, -3.0967),
        ("x ~ Normal(0, 0.3) * Normal(0, 3) * exp(3 * x^2)", 0.0, 0.19149, -1.640),
        (
            "x ~ Normal(0, 1) * where(x > 0)",
            math.sqrt(2 / math.pi),
            1 - 2 / math.pi,
            -math.log(2),
        ),
    ],
)
def test_one_dimension(program: str, mean: float, variance: float, log_z: float) -> None:
    result = poedsl.compile(program).run(particles=4000, seed=3)
    found_mean, found_variance = moments(result)
    scale = math.sqrt(variance)
    assert float(found_mean) == pytest.approx(mean, abs=0.06 * scale)
    assert float(found_variance) == pytest.approx(variance, rel=0.08)
    assert result.log_evidence == pytest.approx(log_z, abs=0.05)


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize("move", ["ode()", "sde()"])
@pytest.mark.parametrize("kernel", ["none", "langevin(steps = 1)", "mala(steps = 1)"])
def test_a_reward_is_counted_once_whatever_moves(move: str, kernel: str) -> None:
    plan = poedsl.compile("x ~ Normal(0, 1) * exp(0.5 * x)")
    result = plan.run(particles=4000, move=move, kernel=kernel, correct="fkc()", steps=30)
    mean, variance = moments(result)
    assert float(mean) == pytest.approx(0.5, abs=0.06)
    assert float(variance) == pytest.approx(1.0, rel=0.08)
    assert result.log_evidence == pytest.approx(0.125, abs=0.05)


@pytest.mark.slow
def test_full_covariances() -> None:
    program = """
    let s = [[2, 0.7], [0.7, 1]]
    x : Real[2]
    x ~ MultivariateNormal([1, 0], covariance_matrix = s) * Normal([0, 1], 1)
    """.replace("\n    ", "\n")
    result = poedsl.compile(program).run(particles=4000)
    precision = np.linalg.inv([[2, 0.7], [0.7, 1]]) + np.eye(2)
    covariance = np.linalg.inv(precision)
    mean = covariance @ (np.linalg.inv([[2, 0.7], [0.7, 1]]) @ [1, 0] + np.array([0, 1]))
    found, variance = moments(result)
    np.testing.assert_allclose(found.numpy(), mean, atol=0.05)
    np.testing.assert_allclose(variance.numpy(), np.diag(covariance), rtol=0.08)


@pytest.mark.slow
@pytest.mark.statistical
def test_a_density_without_closed_form_counts_as_a_reward() -> None:
    result = poedsl.compile("x ~ Normal(0, 2) * StudentT(3, 1, 0.5)").run(particles=4000)
    grid = np.linspace(-20, 20, 200_001)
    student = (1 + ((grid - 1) / 0.5) ** 2 / 3) ** -2 * (2 / (math.sqrt(3) * math.pi * 0.5))
    product = np.exp(-(grid**2) / 8) / math.sqrt(8 * math.pi) * student
    z = product.sum() * (grid[1] - grid[0])
    mean = float((grid * product).sum() / product.sum())
    assert result.log_evidence == pytest.approx(math.log(z), abs=0.05)
    assert float(moments(result)[0]) == pytest.approx(mean, abs=0.05)


@pytest.mark.slow
@pytest.mark.statistical
def test_crossing_finds_every_mode_and_the_evidence() -> None:
    result = poedsl.compile(CROSSING).run(particles=2000, seed=1)
    assert result.nfe <= 200
    assert result.log_evidence == pytest.approx(crossing_log_evidence(), abs=0.1)
    x = result.sample(2000)["x"].numpy()
    centres = np.linspace(-3.5, 3.5, 8) * (1 / 0.35**2) / (1 / 0.35**2 + 1 / 2.2**2)
    near = np.abs(x[:, None, :] - centres[:, None]).argmin(1)
    inner = {(i, j) for i, j in near.tolist()}
    assert len(inner) >= 48


@pytest.mark.slow
@pytest.mark.statistical
def test_circle_keeps_everyone_inside() -> None:
    program = (
        "x : Real[2]\n"
        "x ~ Normal([-1, 0], 1) * Normal([0, 1], 0.8) * where(norm(x - [0.2, 0.4]) < 0.7)"
    )
    result = poedsl.compile(program).run(particles=8000)
    assert ((result.particles["x"] - torch.tensor([0.2, 0.4])).norm(dim=1) < 0.7).all()
    step = 0.001
    x, y = np.mgrid[-0.5:0.9:step, -0.3:1.1:step] + step / 2
    first = np.exp(-0.5 * ((x + 1) ** 2 + y**2)) / (2 * math.pi)
    second = np.exp(-0.5 * (x**2 + (y - 1) ** 2) / 0.64) / (2 * math.pi * 0.64)
    product = first * second * (np.hypot(x - 0.2, y - 0.4) < 0.7)
    share = product / product.sum()
    exact = [float((share * v).sum()) for v in (x, y)]
    spreads = [float((share * (v - m) ** 2).sum()) for v, m in zip((x, y), exact, strict=True)]
    mean, variance = moments(result)
    np.testing.assert_allclose(mean.numpy(), exact, atol=0.025)
    np.testing.assert_allclose(variance.numpy(), spreads, rtol=0.08)
    assert result.log_evidence == pytest.approx(math.log(product.sum() * step**2), abs=0.05)


@pytest.mark.statistical
def test_a_black_box_condition_holds_at_the_end() -> None:
    result = poedsl.compile("x ~ Normal(0, 1) * where(not x < 0)").run(particles=1000)
    assert (result.particles["x"] >= 0).all()
    assert result.log_evidence == pytest.approx(-math.log(2), abs=0.1)


def test_a_condition_that_nothing_meets_ends_with_an_outcome() -> None:
    result = poedsl.compile("x ~ Normal(0, 1) * where(not x < 1000)").run(particles=50, steps=5)
    assert result.outcome is Outcome.NO_WEIGHT and not result.outcome.ok
    assert result.log_evidence is None


@pytest.mark.slow
@pytest.mark.statistical
def test_several_variables_are_sampled_together() -> None:
    program = """
x ~ Normal(0, 1)
y ~ Normal(1, 2)
x ~ exp(-0.5 * (x - y)^2)
"""
    result = poedsl.compile(program).run(particles=16_000)
    precision = np.array([[2.0, -1.0], [-1.0, 1.25]])
    covariance = np.linalg.inv(precision)
    mean = covariance @ np.array([0.0, 0.25])
    for k, name in enumerate("xy"):
        found, variance = moments(result, name)
        assert float(found) == pytest.approx(mean[k], abs=0.06)
        assert float(variance) == pytest.approx(covariance[k, k], rel=0.08)


@pytest.mark.slow
@pytest.mark.statistical
def test_islands_give_a_standard_error_that_covers() -> None:
    plan = poedsl.compile(CROSSING)
    result = plan.run(particles=2000, islands=8)
    assert result.log_evidence_se is not None
    assert 0 < result.log_evidence_se < 0.05
    assert abs(result.log_evidence - crossing_log_evidence()) < 5 * result.log_evidence_se + 0.01
    assert (
        plan.run(particles=40, islands=2, resample="systematic(when = always)").log_evidence_se
        is None
    )


def test_the_resampling_rule_is_kept() -> None:
    plan = poedsl.compile("x ~ Normal(0, 1) * Normal(3, 0.5)")
    at = plan.run(particles=64, steps=8, resample="systematic(when = at(5, 2))")
    assert [s.t for s in at.stages if s.resampled] == [5, 2]
    always = plan.run(particles=64, steps=8, resample="systematic(when = always)")
    assert all(s.resampled for s in always.stages[1:])
    never = plan.run(particles=64, steps=8, resample="none")
    assert not any(s.resampled for s in never.stages)
    assert never.stages[-1].unique_ancestors == 64


@pytest.mark.slow
def test_a_reward_without_its_variable_only_moves_the_evidence() -> None:
    result = poedsl.compile("x ~ Normal(0, 1) * exp(2)").run(particles=500)
    assert result.log_evidence == pytest.approx(2, abs=1e-3)


@pytest.mark.parametrize(
    ("program", "values", "code"),
    [
        ("input s : Real\nx ~ Normal(0, s)", {"s": -1}, "P0307"),
        (
            "input m : Real[2, 2]\nx : Real[2]\n"
            "x ~ MultivariateNormal([0, 0], covariance_matrix = m)",
            {"m": [[1, 2], [2, 1]]},
            "P0307",
        ),
        (
            "input m : Real[_, _]\nx ~ MultivariateNormal([0, 0], covariance_matrix = m)",
            {"m": [[1, 0, 0], [0, 1, 0], [0, 0, 1]]},
            "P0603",
        ),
        ("input k : Int\nx ~ digits(k)", {"k": 10}, "P0307"),
        ("input w : Real\nx ~ Normal(0, 1)^w", {"w": -2}, "P0407"),
        ("input w : Real\nx ~ Normal(0, 1)^2 * Normal(0, 0.5)^w", {"w": -0.9}, "P0404"),
        ('x ~ flux("a cat")', {}, "P0701"),
    ],
)
def test_what_only_values_show_to_be_wrong(
    program: str, values: dict[str, object], code: str
) -> None:
    with pytest.raises(poedsl.PoeError) as caught:
        poedsl.compile(program).bind(**values).run(particles=8, steps=3)
    assert [d.code for d in caught.value.diagnostics] == [code]


@pytest.mark.slow
def test_a_mixture_may_hold_densities_of_any_kind() -> None:
    program = (
        "x : Real[2]\n"
        "x ~ Normal(0, 2) * mixture(0.5: MultivariateNormal([1, 0],"
        " covariance_matrix = [[1, 0.2], [0.2, 1]]), 0.5: StudentT(4, 0, 1))"
    )
    result = poedsl.compile(program).run(particles=500)
    assert result.outcome.ok and result.log_evidence is not None


@pytest.mark.slow
@pytest.mark.statistical
def test_a_condition_on_inputs_and_variables() -> None:
    plan = poedsl.compile("input a : Real\nx ~ Normal(0, 1) * where(x > 0 and a > 0)")
    result = plan.bind(a=1).run(particles=1000)
    assert result.log_evidence == pytest.approx(-math.log(2), abs=0.06)
    assert not plan.bind(a=-1).run(particles=100).outcome.ok


@pytest.mark.slow
@pytest.mark.statistical
def test_normalised_exponents_sum_to_one_also_where_they_are_inputs() -> None:
    plan = poedsl.compile("input a : Real\nx ~ Normal(0, 1)^a * Normal(2, 1)^a").bind(a=2)
    scaled = plan.run(particles=4000, normalize_exponents=True)
    assert float(moments(scaled)[1]) == pytest.approx(1, rel=0.08)
    constant = poedsl.compile("x ~ Normal(0, 1)^2 * Normal(2, 1)^2")
    back = (
        constant.with_options(normalize_exponents=True)
        .with_options(normalize_exponents=False)
        .run(particles=4000)
    )
    assert float(moments(back)[1]) == pytest.approx(0.25, rel=0.08)


@pytest.mark.statistical
@pytest.mark.parametrize(
    ("text", "log_evidence"),
    [
        ("x ~ Gamma(4, 1) * Gamma(4, 1)", 0.0),
        ("x ~ Normal(0, 1) * StudentT(1e6, 1, 1)", -0.125),
        ("x ~ Gamma(4, 1)^3 / Gamma(4, 1)^2", 0.0),
        ("m ~ Normal(0, 1)\nx ~ Normal(m, 1)^2", 0.0),
        ("y : Tokens[3]\ny ~ Categorical([0.2, 0.8]) * Categorical([0.2, 0.8])", 0.0),
        (
            "y : Tokens[2]\ny ~ Categorical([0.2, 0.8])^3\n"
            "y ~ Markov([0.2, 0.8], [[0.2, 0.8], [0.2, 0.8]])",
            0.0,
        ),
    ],
)
def test_normalised_exponents_are_those_of_all_densities(text: str, log_evidence: float) -> None:
    result = poedsl.compile(text).run(particles=200, normalize_exponents=True)
    assert result.log_evidence == pytest.approx(log_evidence, abs=0.05)
    over = [f.name for f in result.plan.factors if f.variables[0] != "m"]
    assert sum(result.exponents[name] for name in over) == pytest.approx(1)


def test_a_density_with_several_sums_of_exponents_is_refused() -> None:
    plan = poedsl.compile("x : Real[3]\nx ~ Gamma(4, 1)\nx[0] ~ Gamma(4, 1)")
    with refused("P0409"):
        plan.run(particles=10, normalize_exponents=True)


@pytest.mark.parametrize(
    "program",
    [
        "x ~ Normal(0, 0.2) * Normal(0, 20) / Normal(0, 0.6)^1.5",
        "x ~ Normal(0, 0.2) * Normal(0, 20) / Normal(0, 0.6)^1.5\ny ~ Normal(0, 1)",
        "x ~ Normal(0, 0.2) * mixture(Normal(0, 20)) / Normal(0, 0.6)^1.5",
    ],
)
def test_a_product_that_is_no_density_on_the_way_is_refused(program: str) -> None:
    with pytest.raises(poedsl.PoeError) as caught:
        poedsl.compile(program).run(particles=8)
    assert [d.code for d in caught.value.diagnostics] == ["P0407"]


def test_a_failed_run_has_no_draws() -> None:
    result = poedsl.compile("x ~ Normal(0, 1) * where(not x < 1000)").run(particles=20, steps=4)
    with refused("P0705"):
        result.sample(3)


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize("reward", ["log(x)", "log(max(x, 0))"])
def test_a_reward_without_a_value_does_not_count_on_the_way(reward: str) -> None:
    """The integral of x N(x; 0, 1) over x > 0 is 1 / sqrt(2 pi)."""
    result = poedsl.compile(f"x ~ Normal(0, 1) * where(x > 0) * exp({reward})").run(particles=8000)
    assert result.log_evidence == pytest.approx(-0.5 * math.log(2 * math.pi), abs=0.15)
    assert float(moments(result)[0]) == pytest.approx(math.sqrt(math.pi / 2), abs=0.06)
    assert not result.warnings


def test_devices_are_those_that_torch_has(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_device("cpu:0") == find_device("cpu") == torch.device("cpu")
    kind = "cuda"
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device(kind))
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 2)
    assert find_device("cuda:1") == torch.device("cuda", 1)
    with refused("P0702") as errors:
        find_device("cuda:2")
    assert re.findall(r"cpu|cuda:\d", errors[0].notes[0]) == ["cpu", "cuda:0", "cuda:1"]
    kind = "mps"
    with refused("P0702"):
        find_device("mps")
