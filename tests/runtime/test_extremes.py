"""Extreme parameters: log Z is right or said to be doubtful, and none ends a run."""

from __future__ import annotations

import math

import pytest

import poedsl
from poedsl.runtime.results.verdict import Verdict

LARGE = [
    "x ~ Gamma(1e6, 1e6)",
    "x ~ Beta(1e7, 1e7)",
    "x ~ InverseGamma(1e6, 1e6)",
    "x ~ Chi2(1e7)",
    "x ~ VonMises(0, 1e8)",
    "x : Real[3]\nx ~ Dirichlet([1e6, 1e6, 1e6])",
    "x ~ Weibull(1, 1e6)",
    "x ~ Pareto(1, 1e6)",
    "x ~ Normal(1e6, 1e-6)",
    "x ~ Exponential(1e-12)",
]


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize("program", LARGE)
def test_large_parameters(program: str) -> None:
    result = poedsl.compile(program).run(seed=1, particles=4000)
    assert result.log_evidence is not None and result.log_evidence_se is not None
    assert abs(result.log_evidence) < max(1e-3, 4 * result.log_evidence_se)
    assert result.log_evidence_se < 0.01 and result.verdict is Verdict.RELIABLE


@pytest.mark.statistical
def test_a_normaliser_in_single_precision() -> None:
    """A Student's t that is Gaussian, on the noising path."""
    plan = poedsl.compile("x ~ StudentT(1e7, 0, 1) * Normal(0, 1)")
    assert plan.run(seed=0).log_evidence == pytest.approx(-0.5 * math.log(4 * math.pi), abs=0.02)


TINY = ["Gamma(1e-3, 1)", "Weibull(1, 1e-3)", "Beta(1e-3, 1e-3)", "Chi2(1e-3)", "Pareto(1, 1e-3)"]


@pytest.mark.slow
@pytest.mark.parametrize("density", TINY)
def test_mass_beyond_the_smallest_number_is_reported(density: str) -> None:
    result = poedsl.compile(f"x ~ {density}").run(seed=0)
    assert "P1019" in [w.code for w in result.warnings]
    assert result.verdict is Verdict.DOUBTFUL


@pytest.mark.statistical
def test_a_vague_prior_with_data_is_no_extreme() -> None:
    """`InverseGamma(0.001, 0.001)` on a variance, and data that say what it is: closed form."""
    n, squares = 20, 30.0
    program = f"v ~ InverseGamma(0.001, 0.001)\nv ~ exp(-{n / 2} * log(v) - {squares / 2} / v)"
    result = poedsl.compile(program).run(seed=0)
    a, b = 0.001 + n / 2, 0.001 + squares / 2
    exact = 0.001 * math.log(0.001) - math.lgamma(0.001) + math.lgamma(a) - a * math.log(b)
    assert result.log_evidence == pytest.approx(exact, abs=0.15)
    assert result.summary()["v"].mean == pytest.approx(b / (a - 1), rel=0.05)
    assert result.verdict is Verdict.RELIABLE


MATRICES = [
    "covariance_matrix = [[1, r], [r, 1]]",
    "precision_matrix = [[1, r], [r, 1]]",
    "scale_tril = [[1, 0], [0.3, 1 - r^2]]",
]


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize("matrix", MATRICES)
def test_a_matrix_that_is_not_positive_definite_has_weight_zero(matrix: str) -> None:
    program = f"r ~ Normal(0, 1)\nx : Real[2]\nx ~ MultivariateNormal([0, 0], {matrix})"
    result = poedsl.compile(program).run(seed=0, particles=500)
    assert result.log_evidence == pytest.approx(math.log(math.erf(math.sqrt(0.5))), abs=0.15)
    assert float(result.sample(1000)["r"].abs().max()) < 1
