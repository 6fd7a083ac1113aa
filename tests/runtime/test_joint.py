"""Densities of one variable around others."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

import poedsl
from tests.diagnostics import warning_data
from tests.runtime.helpers import moments

Matrix = NDArray[np.float64]


def gaussian(
    factors: list[tuple[list[float], float, float]],
) -> tuple[Matrix, Matrix, float]:
    """Mean, covariance and log integral of prod_i N(a_i . z; b_i, s_i)."""
    rows = np.array([a for a, _, _ in factors])
    b, s = np.array([b for _, b, _ in factors]), np.array([s for _, _, s in factors])
    precision = rows.T @ (rows / s[:, None] ** 2)
    covariance = np.linalg.inv(precision)
    first = rows.T @ (b / s**2)
    mean = covariance @ first
    constant = float((-0.5 * math.log(2 * math.pi) - np.log(s) - 0.5 * (b / s) ** 2).sum())
    d = len(mean)
    log_z = constant + 0.5 * (
        d * math.log(2 * math.pi) + np.linalg.slogdet(covariance)[1] + first @ mean
    )
    return mean, covariance, float(log_z)


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize("options", [{}, {"correct": "fkc()", "steps": 100}])
def test_a_density_around_another_variable(options: dict[str, object]) -> None:
    program = "x ~ Normal(1, 1)\ny ~ Normal(0, 3)\ny ~ Normal(x, 0.5)"
    result = poedsl.compile(program).run(particles=8000, seed=1, **options)
    mean, covariance, log_z = gaussian([([1, 0], 1, 1), ([0, 1], 0, 3), ([-1, 1], 0, 0.5)])
    w = result.log_weights.exp().double().numpy()
    z = np.stack([result.particles[n].double().numpy() for n in "xy"])
    found = z @ w
    np.testing.assert_allclose(found, mean, atol=0.08)
    away = z - found[:, None]
    np.testing.assert_allclose(away * w @ away.T, covariance, atol=0.08)
    assert result.log_evidence == pytest.approx(log_z, abs=0.08)


@pytest.mark.slow
def test_a_chain_of_vectors_around_each_other() -> None:
    program = (
        "x : Real[2]\ny : Real[2]\nx ~ Normal([1, -1], 1)\ny ~ Normal(0, 2)\n"
        "y ~ MultivariateNormal(2 * x, covariance_matrix = [[1, 0.5], [0.5, 1]])"
    )
    result = poedsl.compile(program).run(particles=8000)
    own, noise = np.eye(2), np.linalg.inv([[1, 0.5], [0.5, 1]])
    precision = np.block([[own + 4 * noise, -2 * noise], [-2 * noise, own / 4 + noise]])
    covariance = np.linalg.inv(precision)
    mean = covariance @ [1, -1, 0, 0]
    for k, name in enumerate("xy"):
        found, variance = moments(result, name)
        np.testing.assert_allclose(found.numpy(), mean[2 * k : 2 * k + 2], atol=0.1)
        np.testing.assert_allclose(
            variance.numpy(), np.diag(covariance)[2 * k : 2 * k + 2], rtol=0.12
        )


@pytest.mark.slow
@pytest.mark.statistical
def test_a_part_around_a_part() -> None:
    program = "x : Real[2]\ny : Real\nx ~ Normal(0, 1)\ny ~ Normal(3, 1)\nx[1] ~ Normal(y, 0.5)"
    result = poedsl.compile(program).run(particles=8000)
    mean, covariance, log_z = gaussian(
        [([1, 0, 0], 0, 1), ([0, 1, 0], 0, 1), ([0, 0, 1], 3, 1), ([0, 1, -1], 0, 0.5)]
    )
    np.testing.assert_allclose(moments(result)[0].numpy(), mean[:2], atol=0.06)
    np.testing.assert_allclose(moments(result)[1].numpy(), np.diag(covariance)[:2], rtol=0.1)
    assert float(moments(result, "y")[0]) == pytest.approx(mean[2], abs=0.06)
    assert result.log_evidence == pytest.approx(log_z, abs=0.06)


@pytest.mark.slow
@pytest.mark.statistical
def test_a_spread_that_depends_on_another_variable() -> None:
    """Integrating x out of N(x; 0, s) N(x; 0, 2): the rest is N(s; 1, 0.1) N(0; 0, hypot(s, 2))."""
    program = "s ~ Normal(1, 0.1)\nx ~ Normal(0, 2)\nx ~ Normal(0, abs(s))"
    result = poedsl.compile(program).run(particles=8000)
    grid = np.linspace(0.4, 1.6, 4001)
    prior = np.exp(-0.5 * ((grid - 1) / 0.1) ** 2) / (0.1 * math.sqrt(2 * math.pi))
    each = prior / np.sqrt(2 * math.pi * (grid**2 + 4))
    z = float(each.sum() * (grid[1] - grid[0]))
    assert result.log_evidence == pytest.approx(math.log(z), abs=0.05)
    assert float(moments(result, "s")[0]) == pytest.approx(
        float((grid * each).sum() / each.sum()), abs=0.01
    )


@pytest.mark.slow
@pytest.mark.statistical
def test_a_mixture_around_another_variable() -> None:
    program = (
        "x ~ Normal(0, 1)\ny ~ Normal(0, 3)\n"
        "y ~ mixture(0.5: Normal(x, 0.5), 0.5: StudentT(4, 0, 1))"
    )
    result = poedsl.compile(program).run(particles=8000)
    x, y = np.meshgrid(np.linspace(-6, 6, 601), np.linspace(-10, 10, 1001), indexing="ij")
    student = math.gamma(2.5) / (math.sqrt(4 * math.pi) * math.gamma(2)) * (1 + y**2 / 4) ** -2.5
    near = np.exp(-2 * (y - x) ** 2) / (0.5 * math.sqrt(2 * math.pi))
    prior = np.exp(-0.5 * x**2 - y**2 / 18) / (6 * math.pi)
    z = float((prior * (near + student) / 2).sum() * 0.02 * 0.02)
    assert result.log_evidence == pytest.approx(math.log(z), abs=0.08)


@pytest.mark.slow
def test_a_parameter_that_leaves_its_range_is_reported_by_its_place() -> None:
    result = poedsl.compile("s ~ Normal(0, 1)\nx ~ Normal(0, 1)\nx ~ Normal(0, s)").run(
        particles=200, steps=10
    )
    (data,) = warning_data(result, "P1001")
    assert (data["factor"], data["place"]) == ("Normal_3", "<string>:3:5")
