"""What a tempered path starts from where products have heavy tails, and how far out counts."""

from __future__ import annotations

import math

import pytest
import scipy
import torch
from torch.distributions import StudentT

import poedsl
from poedsl.runtime.build import heavy_tails
from poedsl.runtime.build.ancestral_prior import Prior
from poedsl.runtime.build.heavy_tails import StudentBase, slowest_fall
from poedsl.runtime.build.laplace_base import GaussianBase
from poedsl.runtime.core.random_numbers import Noise
from poedsl.runtime.kernels.outliers import limits
from poedsl.runtime.results.verdict import Verdict
from poedsl.runtime.space.coordinates import Space
from tests.runtime.helpers import wide_base

CPU = torch.device("cpu")


def noise(size: int) -> Noise:
    return Noise(0, 1, size, CPU, dtype=torch.float64)


def test_draws_of_t_distributions_have_their_density() -> None:
    """Drawn by the polar method, and given by PyTorch."""
    student = StudentBase(2, 3.0)
    x = student.first(noise(50_000), 1)
    expected = StudentT(3.0).log_prob(x).sum(-1)
    torch.testing.assert_close(student.log_density(x), expected)
    inside = (x.abs() < scipy.stats.t.ppf(0.975, df=3)).double().mean(0)
    assert (inside - 0.95).abs().max() < 4 * math.sqrt(0.95 * 0.05 / 50_000)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("x ~ Cauchy(0, 1)", Prior),
        ("x ~ StudentT(3, 0, 1)^0.5", StudentBase),
        ("x ~ StudentT(3, 0, 1) * exp(-x^2)", GaussianBase),
        ("x ~ Laplace(0, 1) * exp(cos(x))", GaussianBase),
    ],
)
def test_heavy_tails_are_seen(text: str, kind: type) -> None:
    assert isinstance(wide_base(text), kind)


def test_axes_are_looked_at_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fourth of five components alone has a heavy tail, and the even ones of a selection."""
    space = Space.of({"x": (5,)}, CPU)
    most: list[int] = []

    def log_product(z: torch.Tensor) -> torch.Tensor:
        most.append(len(z))
        light = torch.tensor([1.0, 1, 1, 0, 1]) * z.square()
        return -light.sum(1) - torch.log1p(z[:, 3].square())

    whole = slowest_fall(log_product, space)
    assert whole == pytest.approx(math.log((1 + 60**2) / (1 + 30**2))) and max(most) == 10
    monkeypatch.setattr(heavy_tails, "AT_ONCE", 10)
    most.clear()
    assert slowest_fall(log_product, space) == whole and max(most) == 4
    monkeypatch.setattr(heavy_tails, "AXES", 3)
    assert slowest_fall(log_product, space) == 60**2 - 30**2


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize(
    ("text", "log_z"),
    [
        ("x ~ StudentT(0.01, 0, 1)", 0.0),
        ("x ~ StudentT(0.3, 0, 1)", 0.0),
        ("x ~ StudentT(3, 0, 1)^0.5", 1.1934),
        ("x : Real[3]\nx ~ Cauchy(0, 2.5)\nx ~ exp(-softplus(-3 * x[0] - 2 * x[1]))", -math.log(2)),
    ],
)
def test_evidence_of_heavy_tails(text: str, log_z: float) -> None:
    result = poedsl.compile(text).run(seed=2)
    assert result.log_evidence is not None and result.evidence.standard_error is not None
    assert abs(result.log_evidence - log_z) < 4 * result.evidence.standard_error + 0.001
    assert result.verdict is Verdict.RELIABLE


def test_limits_of_weighted_columns() -> None:
    """Of a normal and a Cauchy column, by their quantiles; infinite where rows are alike."""
    normal = noise(20_000).normal(1, 1, "start")
    cauchy = torch.tan(math.pi * (noise(20_000).uniform(1, 2, "start") - 0.5))
    x = torch.cat([normal, cauchy, torch.ones_like(normal)], 1)
    weights = torch.where(normal[:, 0] > 0, 3.0, 1.0).double()
    low, high = limits(x, weights / weights.sum())
    spread = (high - low) / 8
    assert spread[1] == pytest.approx(
        scipy.stats.cauchy.ppf(0.975) / scipy.stats.norm.ppf(0.975), rel=0.06
    )
    assert (high + low)[1] / 2 == pytest.approx(0, abs=0.05)
    assert math.isinf(float(low[2])) and math.isinf(float(high[2]))
    # Phi with three quarters of its mass above zero: quantiles 0.025, 0.5, 0.975
    standard = torch.distributions.Normal(0.0, 1.0)
    cuts = [
        standard.icdf(torch.tensor(p)).item() for p in (0.05, 0.5 + 0.25 / 1.5, 1 - 0.025 / 1.5)
    ]
    assert spread[0] == pytest.approx((cuts[2] - cuts[0]) / 3.92, rel=0.03)
    assert (high + low)[0] / 2 == pytest.approx(cuts[1], abs=0.03)
