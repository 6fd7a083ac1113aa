"""A particle has one number in files, the summary, the report and the tensors."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import poedsl
from poedsl.runtime.results.distinct import distinct_pictures
from poedsl.runtime.results.page.page import page
from poedsl.runtime.results.pictures import draw
from poedsl.runtime.results.report import order, summary

BRIGHT = "x : Image[1, 4, 4]\nx ~ Normal(0.5, 0.3) * exp(mean(x))\n"


@pytest.fixture(scope="module")
def result() -> poedsl.Result:
    return poedsl.compile(f"{BRIGHT}sample x by anneal(keep = best())").run(particles=12, steps=3)


def test_files_have_the_numbers_of_their_particles(tmp_path: Path, result: poedsl.Result) -> None:
    result.save(tmp_path, pictures=False)
    draw(result, tmp_path)
    data = json.loads((tmp_path / "result.json").read_text())
    particles = load_file(tmp_path / "particles.safetensors")["x"]
    assert data["best"] == result.best_index == data["order"][0]
    assert ("best", f"particle {data['best']}, score {float(result.scores.max()):.4g}") in summary(
        result
    )
    for index in range(12):
        with Image.open(tmp_path / f"x-{index:03d}.png") as image:
            pixels = np.asarray(image)
        expected = (particles[index, 0].clamp(0, 1) * 255).round().byte().numpy()
        assert np.array_equal(pixels, expected)
    scores = result.scores[data["order"]]
    assert bool((scores[:-1] >= scores[1:]).all()) and sorted(data["order"]) == list(range(12))
    shown = re.findall(r"<p>particle (\d+): score", page(result))
    assert list(map(int, shown)) == data["order"]


@pytest.mark.slow
def test_many_particles_have_numbers_of_one_length(tmp_path: Path, result: poedsl.Result) -> None:
    many = replace(
        result,
        particles={"x": result.particles["x"].repeat(90, 1, 1, 1)},
        log_weights=torch.zeros(1080),
        log_values={n: x.repeat(90) for n, x in result.log_values.items()},
    )
    draw(many, tmp_path)
    names = sorted(p.name for p in tmp_path.glob("x-*.png"))
    assert len(names) == 64 and names == sorted(f"x-{i:04d}.png" for i in order(many)[:64])


def test_without_a_best_the_order_is_that_of_weights(result: poedsl.Result) -> None:
    weighted = poedsl.compile(f"{BRIGHT}sample x by anneal(keep = weighted())").run(
        particles=12, steps=3
    )
    weights = weighted.log_weights[order(weighted)]
    assert bool((weights[:-1] >= weights[1:]).all())
    lost = replace(result, log_weights=torch.where(torch.arange(12) < 3, -torch.inf, 0.0))
    assert sorted(order(lost)) == list(range(3, 12))


@pytest.mark.parametrize(
    ("levels", "expected"),
    [([0, 0, 0, 0], 1), ([0, 3, 0, 200], 2), ([0, 6, 12, 18], 4), ([0, 3, 6, 9], 2)],
)
def test_pictures_that_look_alike_are_counted_once(levels: list[int], expected: int) -> None:
    plan = poedsl.compile("x : Image[3, 8, 8]\nx ~ Normal(0.5, 0.3)").spec
    x = torch.tensor(levels)[:, None, None, None].expand(-1, 3, 8, 8) / 255
    weights = torch.zeros(len(levels))
    assert distinct_pictures(plan, {"x": x}, weights) == expected
    dead = torch.cat([weights, torch.tensor([-torch.inf])])
    assert distinct_pictures(plan, {"x": torch.cat([x, torch.ones_like(x[:1])])}, dead) == expected


def test_the_summary_says_how_many_pictures_differ(result: poedsl.Result) -> None:
    assert "distinct pictures" not in repr(result)
    copies = {"x": result.particles["x"][:1].repeat(12, 1, 1, 1)}
    assert "distinct pictures 1" in repr(replace(result, particles=copies))
    numbers = poedsl.compile("x ~ Normal(0, 1)").run(particles=8, steps=2)
    assert distinct_pictures(numbers.plan, numbers.particles, numbers.log_weights) is None
