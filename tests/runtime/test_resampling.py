"""Resampling and effective sizes, at their edges too."""

from __future__ import annotations

import math

import pytest
import torch

from poedsl.runtime.resampling import effective_size, systematic


@pytest.mark.parametrize("seed", range(5))
def test_systematic_copies_by_weight_rounded_up_or_down(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    log_weights = torch.randn(3, 50, generator=generator, dtype=torch.float64)
    chosen = systematic(log_weights, torch.rand(3, generator=generator, dtype=torch.float64))
    expected = 50 * torch.softmax(log_weights, -1)
    for row, wanted in zip(chosen, expected, strict=True):
        copies = torch.bincount(row, minlength=50)
        assert (copies >= wanted.floor()).all() and (copies <= wanted.ceil()).all()


def test_systematic_is_unbiased() -> None:
    log_weights = torch.tensor([[0.5, 0.25, 0.15, 0.1]]).log().double()
    uniforms = (torch.arange(1000) + 0.5) / 1000
    copies = sum(torch.bincount(systematic(log_weights, u[None])[0], minlength=4) for u in uniforms)
    torch.testing.assert_close(copies / 1000, torch.tensor([2.0, 1.0, 0.6, 0.4]), atol=2e-3, rtol=0)


def test_weight_zero_is_never_drawn() -> None:
    log_weights = torch.tensor([[-math.inf, 0.0, -math.inf, 0.0, -math.inf]]).double()
    for u in (1e-12, 0.5, 1 - 1e-12):
        chosen = systematic(log_weights, torch.tensor([u], dtype=torch.float64))
        assert set(chosen.flatten().tolist()) <= {1, 3}


def test_effective_sizes() -> None:
    rows = torch.tensor([[0.0, 0.0, 0.0, 0.0], [0.0] + [-math.inf] * 3, [-math.inf] * 4])
    torch.testing.assert_close(effective_size(rows), torch.tensor([4.0, 1.0, 0.0]).double())
    assert float(effective_size(torch.tensor([1000.0, 1000.0]))) == pytest.approx(2)
