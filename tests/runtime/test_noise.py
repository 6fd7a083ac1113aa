"""Random numbers depend on where they are used, and on nothing else."""

from __future__ import annotations

import torch
from scipy import stats

from poedsl.runtime.core.random_numbers import UNIT, Noise

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
