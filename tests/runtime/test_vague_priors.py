"""Priors of precisions that are of every order of magnitude, as in the examples of BUGS."""

from __future__ import annotations

import math

import pytest
import torch

import poedsl
from poedsl.runtime.build.ancestral_draws import scale_free
from poedsl.runtime.results.verdict import Verdict

pytestmark = pytest.mark.statistical

COUNTS = """
tau ~ Gamma(0.001, 0.001)
mu ~ Normal(0, 100)
theta : Real[6]
theta ~ Normal(mu, 1 / sqrt(tau))
theta ~ exp(sum([4, 0, 9, 2, 5, 3] * theta - exp(theta)))
report sigma = 1 / sqrt(tau)
"""


def counts_exactly() -> tuple[float, float]:
    """log Z, and the mean of sigma, by quadrature: over each theta given mu and sigma, over mu, and
    over log sigma.
    """
    double = torch.float64
    log_sigma = torch.linspace(-7, 8, 301, dtype=double)
    mu = torch.linspace(-25, 25, 501, dtype=double)
    gamma = torch.distributions.Gamma(torch.tensor(0.001, dtype=double), 0.001)
    log_tau = -2 * log_sigma
    logs = (gamma.log_prob(log_tau.exp()) + log_tau + math.log(2))[:, None]
    logs = logs + torch.distributions.Normal(0, 100).log_prob(mu)
    z = torch.linspace(-9, 9, 241, dtype=double)
    grid = torch.linspace(-25, 5, 1501, dtype=double)
    for count in (4, 0, 9, 2, 5, 3):
        rows = []
        for s in log_sigma.exp():
            if s < 1:
                theta = mu[:, None] + s * z
                weight = torch.distributions.Normal(0, 1).log_prob(z) + math.log(18 / 240)
            else:
                theta = grid.expand(len(mu), -1)
                weight = torch.distributions.Normal(mu[:, None], s).log_prob(grid)
                weight = weight + math.log(30 / 1500)
            inside = (count * theta - theta.exp() + weight).logsumexp(-1)
            if s >= 1 and count == 0:
                inside = inside.logaddexp(torch.special.log_ndtr((grid[0] - mu) / s))
            rows.append(inside)
        logs = logs + torch.stack(rows)
    cell = math.log(15 / 300) + math.log(50 / 500)
    shares = logs.flatten().softmax(0).view_as(logs)
    sigma = float((shares.sum(1) * log_sigma.exp()).sum())
    return float(logs.logsumexp((0, 1))) + cell, sigma


def test_groups_of_counts_with_a_vague_precision() -> None:
    log_z, sigma = counts_exactly()
    plan = poedsl.compile(COUNTS)
    for seed in range(3):
        result = plan.run(seed=seed)
        assert result.verdict is Verdict.RELIABLE
        assert result.log_evidence_se is not None and result.log_evidence_se < 0.4
        assert result.log_evidence == pytest.approx(log_z, abs=4 * result.log_evidence_se)
        assert result.summary()["sigma"].mean == pytest.approx(sigma, abs=0.2)


def test_what_is_of_every_order_of_magnitude() -> None:
    torch.manual_seed(0)
    double = torch.float64
    columns = [
        torch.randn(256, dtype=double),
        torch.distributions.Cauchy(0.0, 1.0).sample((256,)).double(),
        torch.distributions.LogNormal(0.0, 2.0).sample((256,)).double(),
        torch.full((256,), 3.0, dtype=double),
        torch.distributions.Gamma(torch.tensor(0.01, dtype=double), 0.01).sample((256,)),
        torch.randn(256, dtype=double) * (20 * torch.randn(256, dtype=double)).exp(),
    ]
    assert scale_free(torch.stack(columns, 1)).tolist() == [False] * 4 + [True] * 2
