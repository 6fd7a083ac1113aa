"""Random numbers depend on where they are used, and on nothing else."""

from __future__ import annotations

import pytest
import torch
from scipy import stats

from poedsl.runtime.core.philox import philox
from poedsl.runtime.core.random_numbers import PURPOSES, UNIT, Noise, Stream

CPU = torch.device("cpu")


def test_more_particles_leave_the_first_ones_alone() -> None:
    few, many = Noise(3, 1, 4, CPU), Noise(3, 1, 9, CPU)
    assert torch.equal(few.normal(5, 2, "move"), many.normal(5, 2, "move")[:4])
    for a, b in zip(few.proposals(5, 2, 3), many.proposals(5, 2, 3), strict=True):
        assert a is not None and b is not None and torch.equal(a, b[:, :4])


def test_normals_are_the_same_without_uniforms() -> None:
    noise = Noise(3, 1, 4, CPU)
    normal, uniform = noise.proposals(5, 2, 3, accepting=False)
    assert uniform is None and torch.equal(normal, noise.proposals(5, 2, 3)[0])


def test_islands_do_not_share_noise() -> None:
    both = Noise(3, 2, 4, CPU).normal(5, 2, "move")
    assert torch.equal(both[:4], Noise(3, 1, 4, CPU).normal(5, 2, "move"))
    assert not torch.equal(both[:4], both[4:])


def test_every_place_has_its_own() -> None:
    noise = Noise(0, 1, 8, CPU)
    drawn = [
        noise.normal(3, 1, "move"),
        noise.normal(3, 2, "move"),
        noise.normal(3, 1, "start"),
        Noise(1, 1, 8, CPU).normal(3, 1, "move"),
    ]
    for i, a in enumerate(drawn):
        assert all(not torch.equal(a, b) for b in drawn[i + 1 :])


def test_normals_are_normal_and_uniforms_uniform() -> None:
    noise = Noise(0, 1, 20000, CPU)
    normal, uniform = noise.proposals(2, 1, 2)
    assert uniform is not None
    assert stats.kstest(normal.flatten().numpy(), "norm").pvalue > 1e-3
    assert stats.kstest(uniform.flatten().numpy(), "uniform").pvalue > 1e-3
    assert abs(float(torch.corrcoef(normal[:, :, 0])[0, 1])) < 0.03
    assert torch.isfinite(normal).all()


def test_the_ends_of_the_range_stay_inside() -> None:
    ends = torch.tensor([-(2**31), 2**31 - 1], dtype=torch.int32).float().mul_(UNIT)
    assert (ends.abs() < 1).all() and torch.isfinite(ends.erfinv()).all()
    uniform = ends.mul(0.5).add_(0.5)
    assert (uniform > 0).all() and (uniform < 1).all()


def test_stages_and_purposes_are_independent() -> None:
    noise = Noise(7, 1, 50_000, CPU)
    rows = [noise.normal(1, t, p)[:, 0] for t in (1, 2, 300) for p in ("start", "move")]
    rows += list(noise.proposals(1, 1, 2)[0][..., 0])
    apart = torch.corrcoef(torch.stack(rows)) - torch.eye(len(rows))
    assert float(apart.abs().max()) < 5 / 50_000**0.5


@pytest.mark.parametrize("count", [1, 7, 8, 9, 1001])
@pytest.mark.parametrize("place", [(0, 0, 0), (3, 8, 1), (2**31, 2**63 + 5, 2**64 - 1)])
def test_bits_on_a_device_are_those_of_numpy(count: int, place: tuple[int, int, int]) -> None:
    keys = [0, 2**128 - 1, 0x243F6A8885A308D313198A2E03707344]
    known = [Stream(key) for key in keys]
    for stream, row in zip(known, philox(keys, place, count, CPU), strict=True):
        stage, purpose, block = place
        assert torch.equal(row, torch.from_numpy(stream.bits(stage, purpose, count, block)))


@pytest.mark.slow
def test_a_run_on_a_device_reads_the_same_streams() -> None:
    """Without a GPU, the device of no data says what would be read: its shape and type."""
    here, there = Noise(3, 2, 5, CPU), Noise(3, 2, 5, torch.device("meta"))
    for name in PURPOSES:
        one, other = here.normal(4, 2, name), there.normal(4, 2, name)
        assert (one.shape, one.dtype) == (other.shape, other.dtype)
    assert there.shared(1, "resample").shape == (2, 1)
    normal, uniform = there.proposals(3, 1, 2)
    assert uniform is not None and normal.shape == (2, 10, 3) and uniform.shape == (2, 10)
