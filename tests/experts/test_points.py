"""Flows over points: what is saved is what is loaded, and the checkerboard that comes along."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import poedsl
from poedsl.experts.flows.points import PointConfig, PointFlow, PointNet
from tests.diagnostics import refused

DEVICE = torch.device("cpu")


def test_a_network_is_saved_and_loaded(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = PointNet(PointConfig(width=16, classes=3, spread=2.0, frequencies=(1.0, 2.0)))
    net.save(tmp_path)
    flow = PointFlow(folder=str(tmp_path), column=2, shape=(2,), device=DEVICE)
    z = torch.randn(5, 2)
    expected = net(z, torch.full((5,), 0.3), torch.full((5,), 2))
    assert torch.equal(flow.velocity(z, 0.3), expected)
    free = PointFlow(folder=str(tmp_path), column=None, shape=(2,), device=DEVICE)
    assert torch.equal(free.velocity(z, 0.3), net(z, torch.full((5,), 0.3), torch.full((5,), 3)))


def dark(x: torch.Tensor) -> torch.Tensor:
    column, row = (x + 4).floor().T
    return ((column + row) % 2 == 0) & (column >= 0) & (column < 8) & (row >= 0) & (row < 8)


@pytest.mark.slow
def test_the_board_and_a_column_of_it() -> None:
    board = poedsl.compile("x ~ checkerboard()").run(seed=0, particles=500, steps=40)
    assert dark(board.sample(500)["x"]).float().mean() > 0.75
    column = poedsl.compile("x ~ checkerboard(6)").run(seed=0, particles=500, steps=40)
    x = column.sample(500)["x"]
    assert ((x[:, 0] > 1.9) & (x[:, 0] < 3.1)).float().mean() > 0.95
    assert dark(x).float().mean() > 0.85


@pytest.mark.slow
def test_the_program_of_the_guided_board() -> None:
    plan = poedsl.compile(Path(__file__).parents[2] / "programs" / "checkerboard.poe")
    result = plan.run(seed=0, particles=200, steps=30)
    x = result.sample(200)["x"]
    assert result.outcome.ok
    assert ((x[:, 0] > -0.1) & (x[:, 0] < 1.1)).float().mean() > 0.9


def test_a_column_that_is_not_there() -> None:
    with refused("P0307"):
        poedsl.compile("x ~ checkerboard(8)").run(particles=2)
