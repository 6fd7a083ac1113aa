"""Variables of frames are shown as films."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import poedsl
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.inputs.film_files import read_film
from poedsl.runtime.results import films
from poedsl.runtime.results.films import FPS, sampled, write_film
from poedsl.runtime.results.grids import pil_image
from poedsl.runtime.results.pictures import draw
from poedsl.runtime.results.result import Result
from poedsl.runtime.results.write_result import OutputFolder
from poedsl.runtime.run import Run

PROGRAM = (
    "x : Video[5, 3, 4, 7]\nx ~ Normal(0.5, 0.1) * exp(-sum((x[0] - 0.2)^2))\n"
    "sample x by anneal(particles = 3, steps = 4)\n"
)
COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (51, 128, 204), (255, 255, 255), (0, 0, 0)]


@pytest.fixture(scope="module")
def result() -> Result:
    job = Run(poedsl.compile(PROGRAM).bound().spec, RunSettings(seed=2, shown_stages=2))
    list(job.stages())
    return job.result()


def test_colours_and_times_of_a_film_are_kept(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (32, 16), colour) for colour in COLOURS]
    write_film(tmp_path / "x.mp4", frames)
    film = read_film(tmp_path / "x.mp4")
    for frame, colour in zip(film.frames, COLOURS, strict=True):
        assert np.abs(np.asarray(frame).astype(int) - colour).max() <= 2
    assert film.rate == pytest.approx(FPS) and not film.varies
    write_film(tmp_path / "same.mp4", frames)
    assert (tmp_path / "same.mp4").read_bytes() == (tmp_path / "x.mp4").read_bytes()


@pytest.mark.parametrize(("width", "height"), [(7, 4), (8, 5), (9, 9)])
def test_an_odd_row_or_column_is_repeated(tmp_path: Path, width: int, height: int) -> None:
    ramp = torch.linspace(0, 1, width).expand(1, height, width)
    write_film(tmp_path / "x.mp4", [pil_image(ramp)] * 3)
    read = np.asarray(read_film(tmp_path / "x.mp4").frames[0])[..., 0] / 255
    assert read.shape == (height + height % 2, width + width % 2)
    np.testing.assert_allclose(read[:height, :width], ramp[0], atol=0.06)
    np.testing.assert_allclose(read[-1], read[height - 1], atol=0.06)


@pytest.mark.slow
def test_a_run_leaves_films_sheets_and_animations(tmp_path: Path, result: Result) -> None:
    draw(result, tmp_path)
    own = {f"x-{i:03d}.mp4" for i in range(3)}
    assert {p.name for p in tmp_path.iterdir()} == {"x.mp4", "x.png", "x-path.png", "x.gif", *own}
    assert len(read_film(tmp_path / "x.mp4").frames) == 5
    with Image.open(tmp_path / "x.gif") as animation:
        assert animation.n_frames == 5 and animation.info["loop"] == 0
    for index in range(3):
        film = read_film(tmp_path / f"x-{index:03d}.mp4")
        assert len(film.frames) == 5 and film.frames[0].size == (8, 4)
        read = np.stack([np.asarray(f.convert("L")) for f in film.frames])[..., :7] / 255
        weights = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
        luma = (result.particles["x"][index].clamp(0, 1) * weights).sum(1)
        assert np.abs(read - luma.numpy()).mean() < 0.06
    with Image.open(tmp_path / "x.png") as sheet, Image.open(tmp_path / "x-path.png") as path:
        columns, rows = (round(side / 160) for side in sheet.size)
        assert columns == 5 and sheet.width == path.width and rows >= 1


def test_frames_of_a_sheet_are_the_first_and_the_last_and_between() -> None:
    assert sampled(1) == [0] and sampled(3) == [0, 1, 2]
    assert sampled(81) == [0, 11, 23, 34, 46, 57, 69, 80]


@pytest.mark.slow
def test_a_report_plays_films(tmp_path: Path, result: Result) -> None:
    assert OutputFolder(tmp_path, "{}").finish(result) == []
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert '<video src="data:video/mp4;base64,' in page and "loop" in page
    assert (tmp_path / "samples" / "x.mp4").is_file()
    assert "data:image/gif;base64," in result._repr_html_()


@pytest.mark.slow
def test_without_the_library_animations_and_sheets_are_left(
    tmp_path: Path, result: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(films, "find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "av", None)
    (note,) = OutputFolder(tmp_path, "{}").finish(result)
    assert "`av`" in note and "pip install" in note
    assert '<img src="data:image/gif;base64,' in (tmp_path / "report.html").read_text("utf-8")
    names = {p.name for p in (tmp_path / "samples").iterdir()}
    assert names == {"x.gif", "x.png", "x-path.png"}


def test_particles_without_weight_are_no_films(tmp_path: Path, result: Result) -> None:
    log_weights = result.log_weights.clone()
    log_weights[1] = -torch.inf
    draw(replace(result, log_weights=log_weights, predicted_endpoints=None), tmp_path)
    assert len(list(tmp_path.glob("x-*.mp4"))) == 2
