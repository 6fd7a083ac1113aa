"""Cholesky factors of correlation matrices: the prior, a posterior by quadrature, and errors."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

import poedsl
from poedsl.grammar.errors import PoeError
from poedsl.runtime.space.bijections import EventBijection


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize(("size", "concentration"), [(2, 1.0), (3, 2.0), (4, 0.5)])
def test_correlations_of_the_prior(size: int, concentration: float) -> None:
    """Each has the law of 2 b - 1 with b ~ Beta(a, a) and a = concentration + (size - 2) / 2."""
    text = f"L : Real[{size}, {size}]\nL ~ LKJCholesky({concentration})"
    result = poedsl.compile(text).run(seed=1)
    factors, weights = result.particles["L"].double(), result.log_weights.exp().double()
    assert torch.equal(factors, factors.tril())
    assert torch.allclose(factors.square().sum(-1), torch.ones(()).double())
    matrices = factors @ factors.mT
    variance = 1 / (2 * (concentration + (size - 2) / 2) + 1)
    for i in range(size):
        for j in range(i):
            r = matrices[:, i, j]
            assert float((weights * r).sum()) == pytest.approx(0, abs=0.12 * math.sqrt(variance))
            assert float((weights * r**2).sum()) == pytest.approx(variance, rel=0.15)
    assert result.log_evidence == pytest.approx(0, abs=0.08)


MODEL = """
input y : Real[_, 2]
s : Real[2]
s ~ HalfNormal(2)
L : Real[2, 2]
L ~ LKJCholesky(1.5)
y ~ MultivariateNormal([0, 0], scale_tril = diag(s) @ L)
report L[1, 0]
"""


@pytest.mark.slow
@pytest.mark.statistical
def test_a_covariance_of_data() -> None:
    """Mean and evidence by quadrature over two scales and a correlation."""
    draws = np.random.default_rng(2)
    y = draws.multivariate_normal([0, 0], [[1.0, 0.9], [0.9, 2.25]], size=25)
    result = poedsl.compile(MODEL).run(y=y, seed=3)
    first, second = np.linspace(0.4, 2.6, 111), np.linspace(0.6, 4, 121)
    r = np.linspace(-0.995, 0.995, 200)
    a, b, c = np.meshgrid(first, second, r, indexing="ij")
    squares = (y[:, 0] ** 2).sum(), (y[:, 1] ** 2).sum(), (y[:, 0] * y[:, 1]).sum()
    inside = 1 - c**2
    form = (squares[0] / a**2 + squares[1] / b**2 - 2 * c * squares[2] / (a * b)) / inside
    log_p = -form / 2 - len(y) * (np.log(2 * np.pi * a * b) + np.log(inside) / 2)
    log_p += stats.halfnorm.logpdf(a, scale=2) + stats.halfnorm.logpdf(b, scale=2)
    log_p += stats.beta.logpdf((c + 1) / 2, 1.5, 1.5) - np.log(2)
    p = np.exp(log_p - log_p.max())
    cell = (first[1] - first[0]) * (second[1] - second[0]) * (r[1] - r[0])
    assert result.log_evidence == pytest.approx(math.log(p.sum() * cell) + log_p.max(), abs=0.1)
    mean = float((p * c).sum() / p.sum())
    spread = math.sqrt(float((p * (c - mean) ** 2).sum() / p.sum()))
    row = result.summary()["L[1, 0]"]
    assert row.mean == pytest.approx(mean, abs=0.15 * spread)
    assert row.sd == pytest.approx(spread, rel=0.12)


@pytest.mark.parametrize("event", ["simplex", "corr_cholesky"])
def test_coordinates_and_back(event: str) -> None:
    size = {"simplex": 4, "corr_cholesky": 9}[event]
    index = torch.arange(2 * size).view(2, size)
    bijection = EventBijection.over(event, index, torch.float64)  # type: ignore[arg-type]
    generator = torch.Generator("cpu").manual_seed(0)
    z = torch.randn(5, 2, size, generator=generator, dtype=torch.float64)
    y, _ = bijection.forward(z)
    again = bijection.inverse(y)
    assert torch.allclose(again[..., : bijection.free], z[..., : bijection.free])
    assert bool(again[..., bijection.free :].isnan().all())
    assert bool(bijection.inverse(1.5 * y).isnan().all())


def test_a_model_of_pyro_has_factors_too() -> None:
    import pyro

    model = poedsl.compile("L : Real[3, 3]\nL ~ LKJCholesky(2)").to_pyro()
    value = pyro.poutine.trace(model).get_trace().nodes["L"]["value"]
    assert torch.equal(value, value.tril())
    assert torch.allclose(value.square().sum(-1), torch.ones(3).to(value), atol=1e-5)


@pytest.mark.parametrize("sizes", ["3", "2, 3", "4, 2, 3"])
def test_of_square_matrices_alone(sizes: str) -> None:
    with pytest.raises(PoeError) as raised:
        poedsl.compile(f"L : Real[{sizes}]\nL ~ LKJCholesky(2)")
    assert [d.code for d in raised.value.diagnostics] == ["P0303"]


def test_a_learned_path_does_not_keep_to_them() -> None:
    text = "L : Real[2, 2]\nL ~ LKJCholesky(2) * Normal(0, 1)\nsample L by anneal(path = flow())"
    with pytest.raises(PoeError) as raised:
        poedsl.compile(text)
    assert "P0503" in {d.code for d in raised.value.diagnostics}
