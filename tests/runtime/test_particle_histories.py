"""What a run shows of its way, and what it says it will take."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import poedsl
from poedsl.runtime.build.mutation import evenly_spaced
from poedsl.runtime.core.cost import in_words
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.results.pictures import draw
from poedsl.runtime.run import Run

PROGRAM = (
    "x : Image[1, 8, 8]\nx ~ digits(3) * exp(-20 * sum((x - 0.3)^2))\n"
    "sample x by anneal(particles = 6, steps = 10, resample = multinomial(when = always))\n"
)


def job(along: int) -> Run:
    return Run(poedsl.compile(PROGRAM).bound().spec, RunSettings(seed=4, shown_stages=along))


def test_stages_are_evenly_spaced_to_the_last() -> None:
    assert evenly_spaced(10, 4) == [1, 4, 7, 10]
    assert evenly_spaced(3, 8) == [1, 2, 3]
    assert evenly_spaced(9, 1) == [1]


@pytest.mark.slow
def test_endpoints_follow_each_particles_own_line() -> None:
    made = job(10)
    seen: dict[int, torch.Tensor] = {}
    parents: list[torch.Tensor] = []
    for record in made.stages():
        seen[record.t] = made.view(record).endpoints["x"]
        parents.append(made.population.particles.eve_indices)
    result = made.result()
    assert result.predicted_endpoints is not None
    assert result.predicted_endpoints.stages == tuple(range(10, 0, -1))
    last = result.predicted_endpoints.of(2)["x"]
    torch.testing.assert_close(last[-1], result.particles["x"][2])
    for ends, t in zip(last, result.predicted_endpoints.stages, strict=True):
        distances = (seen[t] - ends).abs().flatten(1).amax(1)
        assert float(distances.min()) < 1e-5


@pytest.mark.slow
def test_a_trail_changes_nothing(tmp_path: Path) -> None:
    results, stages = [], []
    for along in (0, 3):
        made = job(along)
        cost = made.estimate() if along else None
        stages.append([r.t for r in made.stages()])
        results.append(made.result())
        assert cost is None or cost.nfe == results[-1].nfe
    plain, shown = results
    assert stages[0] == stages[1]
    assert torch.equal(plain.particles["x"], shown.particles["x"])
    assert plain.calls == shown.calls
    assert plain.predicted_endpoints is None
    for result, others in ((shown, {"x-path.png"}), (plain, set())):
        folder = tmp_path / str(len(others))
        folder.mkdir()
        draw(result, folder)
        names = {p.name for p in folder.iterdir() if not p.stem[2:].isdigit()}
        assert names == {"x.png", *others}


@pytest.mark.parametrize(("size", "words"), [(2_000_000, "2 MB"), (1_260_000_000, "1.3 GB")])
def test_memory_is_spoken(size: int, words: str) -> None:
    assert in_words(size) == words
