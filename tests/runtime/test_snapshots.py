"""Particles at stages of a run are kept before they are resampled, and change nothing."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import pytest
import torch

import poedsl
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.results.page.descent import rows
from poedsl.runtime.results.particle_histories import Snapshots, ancestor_slots
from poedsl.runtime.results.result import Result
from poedsl.runtime.run import Run
from poedsl.runtime.smc.snapshots import MOST_NUMBERS, SnapshotCollector

PROGRAMS = [
    "x : Real[2]\nx ~ Normal(0, 1) * exp(3 * x[0])\n"
    "sample x by anneal(particles = 40, steps = 12, resample = systematic(when = ess < 0.9))",
    "x ~ Cauchy(0, 1) * exp(-abs(x - 4))\n"
    "sample x by anneal(particles = 40, path = temper(), "
    "resample = systematic(when = ess < 0.95))",
]


@cache
def done(text: str, shown: int) -> Result:
    job = Run(poedsl.compile(text).bound().spec, RunSettings(seed=3, shown_stages=shown))
    list(job.stages())
    return job.result()


def snapshots_of(text: str) -> tuple[Result, Snapshots]:
    result = done(text, 4)
    assert result.snapshots is not None
    return result, result.snapshots


@pytest.mark.slow
@pytest.mark.parametrize("text", PROGRAMS)
def test_a_run_is_the_same_with_and_without(text: str) -> None:
    seen, blind = done(text, 4), done(text, 0)
    assert blind.snapshots is None
    assert torch.equal(seen.particles["x"], blind.particles["x"])
    assert torch.equal(seen.log_weights, blind.log_weights)
    assert seen.log_evidence == blind.log_evidence and seen.calls == blind.calls


@pytest.mark.parametrize("text", PROGRAMS)
def test_stages_that_were_resampled_are_kept_before_that(text: str) -> None:
    result, snapshots = snapshots_of(text)
    resampled = [i for i, s in enumerate(result.stages) if s.resampled]
    between = snapshots.stages[1:-1]
    assert snapshots.stages[0].index == 0 and snapshots.stages[-1].t == 1 and 1 <= len(between) <= 4
    assert {s.index for s in between} <= set(resampled)
    every = torch.arange(40)
    for stage in between:
        weights = stage.log_weights.double().exp()
        assert float(weights.sum()) == pytest.approx(1, abs=1e-6) and len(weights.unique()) > 1
        parents = ancestor_slots(result.parents, stage.index + 1, stage.index, every)
        copied = weights[parents.unique()].mean()
        assert len(parents.unique()) < 40 and float(copied) > 1 / 40


@pytest.mark.slow
def test_many_stages_leave_so_many_and_they_are_spread() -> None:
    text = "x ~ Normal(0, 1) * exp(x)\nsample x by anneal(particles = 9, steps = 90, path = flow())"
    result, snapshots = snapshots_of(f"{text[:-1]}, resample = systematic(when = always))")
    indices = [s.index for s in snapshots.stages]
    assert len(result.stages) > 80 and 4 <= len(indices) <= 6
    gaps = [b - a for a, b in pairwise(indices[1:-1])]
    assert min(gaps) > 8 and len(set(gaps)) == 1


def test_large_populations_have_fewer_or_none() -> None:
    assert SnapshotCollector.of(8, 1000, True).most == 8
    assert SnapshotCollector.of(8, MOST_NUMBERS // 8, True).most == 3
    assert SnapshotCollector.of(8, MOST_NUMBERS, True).most == 0


def test_lines_of_descent_join_each_particle_to_its_ancestor() -> None:
    generator = torch.Generator().manual_seed(0)
    parents = torch.stack([torch.randint(12, (12,), generator=generator) for _ in range(9)])
    indices, shown = [0, 3, 4, 8], [7, 2, 9]
    found = rows(parents, indices, shown, 6)
    assert [row.index for row in found] == indices
    for before, row in pairwise(found):
        for slot, place in zip(row.slots, row.parents, strict=True):
            (origin,) = ancestor_slots(
                parents, row.index, before.index, torch.tensor([slot])
            ).tolist()
            assert (origin in before.slots) == (place is not None)
            assert place is None or before.slots[place] == origin
        places = [p for p in row.parents if p is not None]
        assert places == sorted(places)
    last = ancestor_slots(parents, 9, 8, torch.arange(12)).tolist()
    final = found[-1]
    assert {last[s] for s in shown} <= set(final.slots) and final.alive == len(set(last))
    assert final.going_on == tuple(s in last for s in final.slots)
    for row in found:
        roots = ancestor_slots(parents, row.index, 0, torch.tensor(row.slots)).tolist()
        assert list(row.roots) == roots
