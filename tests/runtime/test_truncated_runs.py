"""Runs with densities between bounds whose mass is an incomplete integral, against quadrature."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

import poedsl
from tests.diagnostics import refused
from tests.runtime.helpers import moments

#: Densities between bounds, each with the same of scipy without bounds.
BETWEEN: dict[str, tuple[Any, float, float]] = {
    "TruncatedGamma(2.5, 1.5, low = 0.5, high = 4)": (stats.gamma(2.5, scale=1 / 1.5), 0.5, 4),
    "TruncatedInverseGamma(2.5, 1.5, high = 3)": (stats.invgamma(2.5, scale=1.5), 0, 3),
    "TruncatedChi2(3, low = 2)": (stats.chi2(3), 2, 60),
    "TruncatedBeta(2, 3, low = 0.4)": (stats.beta(2, 3), 0.4, 1),
    "TruncatedStudentT(3, 1, 2, low = -2, high = 5)": (stats.t(3, 1, 2), -2, 5),
}
ALONG = np.arange(100_000) / 100_000 + 0.5 / 100_000


def agrees(
    result: poedsl.Result, name: str, points: np.ndarray, logs: np.ndarray, width: float
) -> None:
    """The evidence, the mean and the variance, against those of a grid."""
    most = logs.max()
    mass = np.exp(logs - most)
    mean = (points * mass).sum() / mass.sum()
    variance = ((points - mean) ** 2 * mass).sum() / mass.sum()
    found_mean, found_variance = (float(m) for m in moments(result, name))
    assert result.outcome.ok and not result.warnings
    assert result.log_evidence == pytest.approx(most + math.log(mass.mean() * width), abs=0.06)
    assert found_mean == pytest.approx(mean, abs=0.12 * math.sqrt(variance))
    assert found_variance == pytest.approx(variance, rel=0.25)


@pytest.mark.statistical
@pytest.mark.parametrize("density", BETWEEN)
def test_a_product_of_a_truncated_density(density: str) -> None:
    frozen, low, high = BETWEEN[density]
    result = poedsl.compile(f"x ~ {density} * exp(0.5 * x)").run(seed=0)
    points = low + (high - low) * ALONG
    logs = frozen.logpdf(points) - math.log(frozen.sf(low) - frozen.sf(high)) + 0.5 * points
    if "Chi2" in density:
        result = poedsl.compile(f"x ~ {density} * Normal(3, 2)").run(seed=0)
        logs += stats.norm(3, 2).logpdf(points) - 0.5 * points
    agrees(result, "x", points, logs, high - low)


@pytest.mark.statistical
@pytest.mark.parametrize(
    "program, frozen",
    [
        ("TruncatedGamma(3, b, high = 2.5)", lambda b: stats.gamma(3, scale=1 / b)),
        ("TruncatedStudentT(4, b, 1, high = 2.5)", lambda b: stats.t(4, b)),
    ],
)
def test_data_between_bounds(program: str, frozen: Any) -> None:
    y = np.array([0.3, 1.9, 0.8, 2.2, 1.4])
    plan = poedsl.compile(f"input y : Real[_]\nb ~ Gamma(2, 1)\ny ~ {program}").bind(y=y)
    points = 15 * ALONG
    of_each = frozen(points[:, None])
    logs = stats.gamma(2).logpdf(points) + of_each.logpdf(y).sum(-1)
    logs -= len(y) * np.log(frozen(points).cdf(2.5))
    agrees(plan.run(seed=0), "b", points, logs, 15)


def test_a_shape_that_a_loop_takes_from_a_variable_has_no_gradient() -> None:
    program = "a : Real[2]\na ~ Gamma(2, 1)\n"
    body = "log_prob(TruncatedGamma(v, 1, high = 5), 2) for v in a"
    with refused("P0314"):
        poedsl.compile(f"{program}a ~ exp(sum({body}))").run(seed=0)
