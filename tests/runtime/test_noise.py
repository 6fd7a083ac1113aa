"""Random numbers depend on where they are used, and on nothing else."""

from __future__ import annotations

import torch
from scipy import stats

from poedsl.runtime.noise import Noise

CPU = torch.device("cpu")


def test_more_particles_leave_the_first_ones_alone() -> None:
    few, many = Noise(3, 1, 4, CPU), Noise(3, 1, 9, CPU)
    assert torch.equal(few.normal(5, 2, "move"), many.normal(5, 2, "move")[:4])
    for a, b in zip(few.proposals(5, 2, 3), many.proposals(5, 2, 3), strict=True):
        assert torch.equal(a, b[:, :4])


def test_swarms_do_not_share_noise() -> None:
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
    assert stats.kstest(normal.flatten().numpy(), "norm").pvalue > 1e-3
    assert stats.kstest(uniform.flatten().numpy(), "uniform").pvalue > 1e-3
    assert abs(float(torch.corrcoef(normal[:, :, 0])[0, 1])) < 0.03
    assert torch.isfinite(normal).all()
