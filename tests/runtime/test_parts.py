"""Experts on parts of a variable, against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm

import poedsl
from poedsl.runtime.run import Run
from tests.diagnostics import quoted, refused, warning_data
from tests.runtime.helpers import as_if_learned, moments

#: A Gaussian factor: the components it sees, its exponent, mean and standard deviation.
Factor = tuple[list[int], float, float, float]


def closed_form(size: int, factors: list[Factor]) -> tuple[list[float], list[float], float]:
    """Means, variances and log integral of a product of independent Gaussians on parts."""
    precision, first, constant = np.zeros(size), np.zeros(size), 0.0
    for components, w, mean, scale in factors:
        precision[components] += w / scale**2
        first[components] += w * mean / scale**2
        each = -0.5 * math.log(2 * math.pi) - math.log(scale) - 0.5 * (mean / scale) ** 2
        constant += w * len(components) * each
    mean = first / precision
    log_z = constant + 0.5 * float((np.log(2 * math.pi / precision) + first * mean).sum())
    return mean.tolist(), (1 / precision).tolist(), log_z


PROGRAMS: list[tuple[str, int, list[Factor]]] = [
    (
        "x : Real[2]\nx ~ Normal(0, 1)\nx[0] ~ Normal(2, 0.5)",
        2,
        [([0, 1], 1, 0, 1), ([0], 1, 2, 0.5)],
    ),
    (
        "x : Real[4]\nx[0:3] ~ Normal(0, 1)\nx[1:4] ~ Normal(3, 2)",
        4,
        [([0, 1, 2], 1, 0, 1), ([1, 2, 3], 1, 3, 2)],
    ),
    (
        "x : Real[2, 3]\nx[0] ~ Normal(1, 1)\nx[:, 1] ~ Normal(0, 1)^0.5\nx[1] ~ Normal(5, 2)^2",
        6,
        [([0, 1, 2], 1, 1, 1), ([1, 4], 0.5, 0, 1), ([3, 4, 5], 2, 5, 2)],
    ),
    (
        "x : Real[3]\nx ~ Normal(0, 1)^2 \nx[-1] ~ Normal(1, 3)\nx[0] ~ Normal(1, 2)^-0.5",
        3,
        [([0, 1, 2], 2, 0, 1), ([2], 1, 1, 3), ([0], -0.5, 1, 2)],
    ),
    (
        "x : Image[1, 2, 4]\nx ~ Normal(0.5, 1)\nx[box(0, 0, 0.5, 1)] ~ Normal(1, 0.5)",
        8,
        [(list(range(8)), 1, 0.5, 1), ([0, 1, 4, 5], 1, 1, 0.5)],
    ),
    (
        "x : Video[3, 1, 2, 2]\nx ~ Normal(0.5, 1)\nx[frames(1, 3)] ~ Normal(0, 1)",
        12,
        [(list(range(12)), 1, 0.5, 1), (list(range(4, 12)), 1, 0, 1)],
    ),
]


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize(("program", "size", "factors"), PROGRAMS)
@pytest.mark.parametrize(
    "options", [{}, {"correct": "fkc()", "steps": 100, "kernel": "mala(steps = 1)"}]
)
def test_gaussians_on_parts(
    program: str, size: int, factors: list[Factor], options: dict[str, object]
) -> None:
    result = poedsl.compile(program).run(particles=2500, seed=2, **options)
    mean, variance, log_z = closed_form(size, factors)
    found, spread = moments(result)
    np.testing.assert_allclose(found.numpy(), mean, atol=0.08 * math.sqrt(max(variance)))
    np.testing.assert_allclose(spread.numpy(), variance, rtol=0.12)
    assert result.log_evidence == pytest.approx(log_z, abs=0.06)


@pytest.mark.slow
@pytest.mark.statistical
def test_scores_alone_are_enough() -> None:
    program, size, factors = PROGRAMS[1]
    plan = poedsl.compile(program).with_options(
        particles=4000, correct="fkc()", kernel="langevin(step_size = 0.32)", steps=100
    )
    result = as_if_learned(plan, seed=0).result()
    mean, variance, log_z = closed_form(size, factors)
    np.testing.assert_allclose(moments(result)[0].numpy(), mean, atol=0.1)
    np.testing.assert_allclose(moments(result)[1].numpy(), variance, rtol=0.15)
    assert result.log_evidence == pytest.approx(log_z, abs=0.1)


@pytest.mark.slow
@pytest.mark.statistical
def test_a_mixture_on_a_part() -> None:
    program = (
        "x : Real[2]\nx ~ Normal(0, 2)\nx[1] ~ mixture(0.3: Normal(-2, 0.5), 0.7: Normal(2, 1))"
    )
    result = poedsl.compile(program).run(particles=4000)
    parts = [(0.3, -2.0, 0.5), (0.7, 2.0, 1.0)]
    weights = [w * norm.pdf(m, 0, math.hypot(2, s)) for w, m, s in parts]
    means = [m * 4 / (4 + s**2) for _, m, s in parts]
    z = sum(weights)
    assert result.log_evidence == pytest.approx(math.log(z), abs=0.05)
    expected = sum(w * m for w, m in zip(weights, means, strict=True)) / z
    assert float(moments(result)[0][1]) == pytest.approx(expected, abs=0.08)
    assert float(moments(result)[0][0]) == pytest.approx(0, abs=0.1)


@pytest.mark.slow
@pytest.mark.statistical
def test_a_density_without_closed_form_on_a_part() -> None:
    program = "x : Real[2]\nx ~ Normal(0, 2)\nx[0] ~ StudentT(3, 1, 0.5)"
    result = poedsl.compile(program).run(particles=4000)

    def product(x: float) -> float:
        student = (1 + ((x - 1) / 0.5) ** 2 / 3) ** -2 * (2 / (math.sqrt(3) * math.pi * 0.5))
        return float(norm.pdf(x, 0, 2) * student)

    z = quad(product, -20, 20, points=[1])[0]
    assert result.log_evidence == pytest.approx(math.log(z), abs=0.05)
    mean = quad(lambda x: x * product(x), -20, 20, points=[1])[0] / z
    assert float(moments(result)[0][0]) == pytest.approx(mean, abs=0.05)
    assert float(moments(result)[1][1]) == pytest.approx(4, rel=0.1)


@pytest.mark.slow
def test_a_full_covariance_on_a_part() -> None:
    program = (
        "x : Real[3]\nx ~ Normal(0, 1)\n"
        "x[1:3] ~ MultivariateNormal([1, 0], covariance_matrix = [[1, 0.8], [0.8, 1]])"
    )
    result = poedsl.compile(program).run(particles=4000)
    own = np.linalg.inv([[1, 0.8], [0.8, 1]])
    covariance = np.linalg.inv(own + np.eye(2))
    np.testing.assert_allclose(
        moments(result)[0].numpy(), [0, *(covariance @ own @ [1, 0])], atol=0.06
    )
    np.testing.assert_allclose(moments(result)[1].numpy(), [1, *np.diag(covariance)], rtol=0.1)


@pytest.mark.slow
@pytest.mark.statistical
def test_normalised_exponents_on_parts_that_do_not_overlap_keep_a_density() -> None:
    program = "x : Real[2]\nx[0] ~ Normal(0, 1)^2\nx[1] ~ Normal(0, 1)^3 * Normal(2, 1)"
    result = poedsl.compile(program).run(particles=4000, normalize_exponents=True)
    np.testing.assert_allclose(moments(result)[1].numpy(), [1, 1], rtol=0.1)
    assert float(moments(result)[0][1]) == pytest.approx(0.5, abs=0.06)
    assert result.log_evidence is not None


def test_normalised_exponents_on_parts_that_overlap_leave_none() -> None:
    program = "x : Real[2]\nx ~ Normal(0, 1)\nx[0] ~ Normal(3, 1)"
    plan = poedsl.compile(program)
    with refused("P0503"):
        plan.run(normalize_exponents=True, correct="ais()")
    result = plan.run(normalize_exponents=True, particles=4000, kernel="langevin()")
    np.testing.assert_allclose(moments(result)[0].numpy(), [1.5, 0], atol=0.1)
    assert result.log_evidence is None
    assert [data["factor"] for data in warning_data(result, "P1102")] == ["Normal"]


def test_parts_that_stand_apart_are_gathered() -> None:
    job = Run(poedsl.compile(PROGRAMS[2][0]).bound().spec)
    row, column, last = (a.part for a in job.target.experts)
    assert row == slice(0, 3) and last == slice(3, 6)
    assert isinstance(column, torch.Tensor) and column.tolist() == [1, 4]
    assert job.target.exponents.tolist() == [1, 1.5, 1, 2, 2.5, 2]


@pytest.mark.parametrize(
    ("program", "code", "name"),
    [
        (
            "input b : Region = box(0, 0, 0.75, 1)\nx : Image[1, 2, 4]\nx[b] ~ Normal(0, 1)",
            "P0408",
            "x[0, 0, 3]",
        ),
        (
            "input w : Real = -2\nx : Real[2]\nx ~ Normal(0, 1)\nx[1] ~ Normal(0, 1)^w",
            "P0407",
            "x[1]",
        ),
        (
            "input w : Real = -0.5\nx : Real[2]\nx ~ Normal(0, 1)\nx[1] ~ Normal(0, 0.5)^w",
            "P0404",
            "x",
        ),
        (
            "input w : Real = -1.5\nx : Real[2]\nx[0] ~ Normal(0, 1)\n"
            "x ~ Normal(0, 0.2) * Normal(0, 20)\nx[1] ~ Normal(0, 0.6)^w",
            "P0407",
            "x",
        ),
    ],
)
def test_what_has_no_start_or_no_end_is_refused(program: str, code: str, name: str) -> None:
    with refused(code) as errors:
        poedsl.compile(program).run(particles=8)
    (found,) = errors
    assert name in quoted(found)
    assert any("`Normal" in note for note in found.notes)
