"""Resampling and effective sizes, at their edges too."""

from __future__ import annotations

import math

import pytest
import torch

from poedsl.runtime.resampling import SCHEMES, effective_size, systematic, tophalf


@pytest.mark.parametrize("seed", range(5))
def test_systematic_copies_by_weight_rounded_up_or_down(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    log_weights = torch.randn(3, 50, generator=generator, dtype=torch.float64)
    chosen = systematic(log_weights, torch.rand(3, 1, generator=generator, dtype=torch.float64))
    expected = 50 * torch.softmax(log_weights, -1)
    for row, wanted in zip(chosen, expected, strict=True):
        copies = torch.bincount(row, minlength=50)
        assert (copies >= wanted.floor()).all() and (copies <= wanted.ceil()).all()


def test_systematic_is_unbiased() -> None:
    log_weights = torch.tensor([[0.5, 0.25, 0.15, 0.1]]).log().double()
    uniforms = (torch.arange(1000) + 0.5) / 1000
    copies = sum(
        torch.bincount(systematic(log_weights, u[None, None])[0], minlength=4) for u in uniforms
    )
    torch.testing.assert_close(copies / 1000, torch.tensor([2.0, 1.0, 0.6, 0.4]), atol=2e-3, rtol=0)


def test_weight_zero_is_never_drawn() -> None:
    log_weights = torch.tensor([[-math.inf, 0.0, -math.inf, 0.0, -math.inf]]).double()
    for u in (1e-12, 0.5, 1 - 1e-12):
        chosen = systematic(log_weights, torch.tensor([[u]], dtype=torch.float64))
        assert set(chosen.flatten().tolist()) <= {1, 3}


def test_effective_sizes() -> None:
    rows = torch.tensor([[0.0, 0.0, 0.0, 0.0], [0.0] + [-math.inf] * 3, [-math.inf] * 4])
    torch.testing.assert_close(effective_size(rows), torch.tensor([4.0, 1.0, 0.0]).double())
    assert float(effective_size(torch.tensor([1000.0, 1000.0]))) == pytest.approx(2)


@pytest.mark.parametrize("scheme", ["multinomial", "systematic", "stratified", "residual"])
def test_schemes_copy_by_weight_on_average(scheme: str) -> None:
    shares = torch.tensor([0.5, 0.25, 0.15, 0.1, 0.0], dtype=torch.float64)
    uniforms = torch.rand(20_000, 5, generator=torch.Generator().manual_seed(0)).double()
    chosen = SCHEMES[scheme](shares.log().expand(20_000, 5), uniforms)
    assert chosen.shape == (20_000, 5)
    copies = torch.bincount(chosen.flatten(), minlength=5).double() / 20_000
    torch.testing.assert_close(copies, 5 * shares, atol=0.03, rtol=0)


def test_residual_and_systematic_give_whole_copies_for_sure() -> None:
    shares = torch.tensor([[0.5, 0.25, 0.25, 0.0]], dtype=torch.float64).log()
    for scheme in ("residual", "systematic"):
        for u in (0.01, 0.5, 0.99):
            uniforms = torch.full((1, 4), u, dtype=torch.float64)
            assert SCHEMES[scheme](shares, uniforms)[0].tolist() == [0, 0, 1, 2]


def test_the_top_half_is_doubled() -> None:
    log_weights = torch.tensor([[0.0, 3.0, 1.0, 2.0], [-math.inf, 1.0, -math.inf, -math.inf]])
    chosen = tophalf(log_weights, torch.zeros(2, 4))
    assert chosen.tolist() == [[1, 1, 3, 3], [1, 1, 1, 1]]
    assert tophalf(torch.tensor([[0.0, 2.0, 1.0]]), torch.zeros(1, 3)).tolist() == [[1, 1, 2]]
