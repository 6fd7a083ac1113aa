"""The table of stages marks what was narrow, with the option that helps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import poedsl
from poedsl.runtime.results.report import bottlenecks, text_report


@pytest.fixture(scope="module")
def result() -> poedsl.Result:
    return poedsl.compile("x ~ Normal(0, 1) * Normal(1, 1)").run(seed=0, particles=200, steps=10)


def test_a_good_run_has_no_marks(result: poedsl.Result) -> None:
    assert not any(bottlenecks(result))


@pytest.mark.parametrize(
    ("change", "remedy"),
    [
        ({"ess": 19.0}, "narrow: more `steps` or `particles`"),
        ({"acceptance": 0.1}, "kernel stuck: a smaller `step_size`"),
        ({"unique_ancestors": 9}, "few ancestors: more `particles`"),
        ({"log_evidence_increment": -5.0}, "evidence jumps: more `steps`"),
        ({"resampled": True}, "resampled"),
    ],
)
def test_each_bottleneck_names_its_remedy(
    result: poedsl.Result, change: dict[str, Any], remedy: str
) -> None:
    stages = list(result.stages)
    stages[4] = replace(stages[4], **change)
    changed = replace(result, stages=tuple(stages))
    marks = list(bottlenecks(changed))
    assert marks[4].startswith(remedy) and sum(map(bool, marks)) == 1
    assert remedy in text_report(changed)


def test_few_distinct_ancestors_are_reported_once(result: poedsl.Result) -> None:
    stages = [replace(s, unique_ancestors=3) if s.t < 6 else s for s in result.stages]
    marks = list(bottlenecks(replace(result, stages=tuple(stages))))
    assert [s.t for s, m in zip(stages, marks, strict=True) if m] == [5]


def test_arviz_has_the_draws_the_stages_and_the_genealogy(tmp_path: Path) -> None:
    text = "x : Real[2]\nx ~ Normal(0, 1) * StudentT(5, 1, 0.5) * exp(-abs(x[0]))"
    result = poedsl.compile(text).run(seed=0, particles=200, steps=10, islands=4)
    data = result.to_arviz()
    draws, stats, stages = data["posterior"], data["sample_stats"], data["stages"]
    copied = stats["particle"].values
    assert np.array_equal(copied // 50, np.repeat(np.arange(4)[:, None], 50, 1))
    assert np.array_equal(draws["x"].values, result.particles["x"].numpy()[copied])
    assert np.array_equal(stats["log_weight"].values, result.log_weights.numpy()[copied])
    assert np.array_equal(stats["eve_index"].values, result.eve_indices.numpy()[-1][copied])
    assert np.array_equal(stages["eve_indices"].values, result.eve_indices.numpy())
    assert stages["t"].values.tolist() == [s.t for s in result.stages]
    assert np.isnan(stages["acceptance"].values[0]) and stages["acceptance"].values[1] > 0
    assert stages["rewards"].shape == (len(result.stages), 3)
    data.to_netcdf(str(tmp_path / "posterior.nc"), engine="h5netcdf")
