"""When the steps of a kernel end."""

from __future__ import annotations

import math

import pytest
import torch

from poedsl.runtime.kernels.mixing import EVERY, PATIENCE, Mixing, correlation

COUNT = 20_000
WEIGHTS = torch.full((COUNT,), 1 / COUNT, dtype=torch.float64)


def normal(seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(COUNT, 1, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize("decay", [0.3, 0.8, 0.97])
def test_an_autoregression_ends_once_it_has_forgotten(decay: float) -> None:
    """Correlations are decay^k, which falls below 0.15 at a known k."""
    x = normal(0)
    mixing = Mixing(x, WEIGHTS, 0.15)
    steps = 0
    while not mixing.finished(x):
        steps += 1
        x = decay * x + math.sqrt(1 - decay**2) * normal(steps)
    expected = math.log(0.15) / math.log(decay)
    assert steps == pytest.approx(expected, rel=0.15, abs=1)


def test_modes_that_cannot_be_left_end_it_too() -> None:
    """Within each mode all is forgotten at once, and the side is kept for good."""
    side = normal(0).sign() * 10
    mixing = Mixing(side + normal(1), WEIGHTS, 0.15)
    steps = 0
    while not mixing.finished(side + normal(2 + steps)):
        steps += 1
    assert PATIENCE - EVERY <= steps <= PATIENCE + EVERY
    assert mixing.largest > 0.9


def test_the_slowest_column_decides() -> None:
    fast, slow = normal(0), normal(1)
    mixing = Mixing(torch.cat((fast, slow), 1), WEIGHTS, 0.15)
    for k in range(2, 20):
        slow = 0.95 * slow + math.sqrt(1 - 0.95**2) * normal(100 + k)
        assert not mixing.finished(torch.cat((normal(k), slow), 1))


def test_correlations_of_constants_are_zero() -> None:
    start = torch.cat((normal(0), torch.ones(COUNT, 1).double()), 1)
    values = correlation(start, -start, WEIGHTS)
    torch.testing.assert_close(values, torch.tensor([1.0, 0.0]).double(), atol=1e-3, rtol=0)
