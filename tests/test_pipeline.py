"""Programs as pipelines: pictures out, the same again from a folder, nothing imported in vain."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from poedsl.interface.pipeline import PoePipeline
from tests.diagnostics import refused

ROOT = Path(__file__).parents[1]
DIGITS = ROOT / "programs" / "digits.poe"
SEEN = ROOT / "programs" / "inputs" / "digit.png"
REWARD = """import poedsl


@poedsl.reward
def dark(x: poedsl.Image):
    return -x.mean((1, 2, 3))
"""
GREY = "input level : Real = 0.5\nx : Image[1, 4, 6]\nx ~ Normal(level, 0.1)\n"


@pytest.fixture(scope="module")
def digits() -> PoePipeline:
    return PoePipeline.from_program(DIGITS, steps=4)


def pixels(images: list[Image.Image]) -> np.ndarray:
    return np.stack([np.asarray(image) for image in images])


@pytest.mark.slow
def test_digits(digits: PoePipeline) -> None:
    out = digits(label=3, seed=1, num_particles=3)
    assert [i.size for i in out.images] == [(8, 8)] * 3
    assert out.result.particles["x"].shape == (3, 1, 8, 8)
    best = (out.result.best()["x"].clamp(0, 1)[0] * 255).round().byte()
    assert np.array_equal(np.asarray(out.images[0]), best.numpy())
    assert len(out.result.stages) == 5


@pytest.mark.slow
def test_pictures_are_given_as_files_images_arrays_and_tensors(digits: PoePipeline) -> None:
    picture = Image.open(SEEN)
    array = np.asarray(picture, dtype=np.float32)[None] / 255
    ways = [str(SEEN), SEEN, picture, array, torch.from_numpy(array)]
    made = [pixels(digits(seen=way, seed=0, num_particles=2).images) for way in ways]
    assert all(np.array_equal(made[0], other) for other in made[1:])
    other = pixels(digits(seen=np.zeros((1, 8, 8)), seed=0, num_particles=2).images)
    assert not np.array_equal(made[0], other)


@pytest.mark.slow
def test_a_folder_holds_the_whole_pipeline(digits: PoePipeline, tmp_path: Path) -> None:
    digits.save_pretrained(tmp_path / "pipe")
    names = sorted(p.name for p in (tmp_path / "pipe").iterdir())
    assert names == ["model_index.json", "plan.json", "poe.toml"]
    again = PoePipeline.from_pretrained(tmp_path / "pipe")
    one, two = (p(label=5, seed=3, num_particles=2) for p in (digits, again))
    assert np.array_equal(pixels(one.images), pixels(two.images))


@pytest.mark.slow
def test_what_a_program_names_goes_along(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "code").mkdir(parents=True)
    (home / "code" / "rewards.py").write_text(REWARD)
    (home / "poe.toml").write_text('[profile.mine]\ndtype = "float32"\nmicrobatch = 2\n')
    (home / "a.poe").write_text(
        'use dark from "code/rewards.py:dark"\n' + GREY + "x ~ exp(dark())\n"
    )
    pipe = PoePipeline.from_program(home / "a.poe", profile="mine", allow_code=True, particles=4)
    pipe.save_pretrained(tmp_path / "out")
    assert (tmp_path / "out" / "code" / "rewards.py").is_file()
    (home / "code" / "rewards.py").unlink()
    again = PoePipeline.from_pretrained(tmp_path / "out")
    assert again.profile == "mine"
    with refused("P0707"):
        again(seed=0)
    allowed = PoePipeline.from_pretrained(tmp_path / "out", allow_code=True)
    assert len(allowed(seed=0).images) == 4


def test_models_of_loops_and_of_the_profile_go_along(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for name in ("layouts", "other", "unused"):
        (home / name).mkdir(parents=True)
        (home / name / "config.json").write_text("{}")
    (home / "poe.toml").write_text(
        f'[profile.mine.models]\nlm = "other"\nroom = "unused"\nflux = "{tmp_path.as_posix()}"\n'
    )
    (home / "a.poe").write_text(
        'x : Image[1, 4, 6]\nx ~ Normal(0, 1)\ny : Tokens[3]\ny ~ lm(prompt = "a")\n'
        'for part in layout_of("two dogs", model = "layouts"):\n'
        "    x[part.box] ~ exp(-sum(x[part.box]))\n"
    )
    pipe = PoePipeline.from_program(home / "a.poe", profile="mine")
    pipe.save_pretrained(tmp_path / "out")
    (home / "other").rename(home / "gone")
    folders = sorted(p.name for p in (tmp_path / "out").iterdir() if p.is_dir())
    assert folders == ["layouts", "other"]
    models = tomllib.loads((tmp_path / "out" / "poe.toml").read_text())["profile"]["mine"]["models"]
    assert models["lm"] == "other" and models["flux"] == tmp_path.as_posix()
    again = PoePipeline.from_pretrained(tmp_path / "out")
    again.save_pretrained(tmp_path / "twice")
    assert (tmp_path / "twice" / "other" / "config.json").is_file()


def test_what_is_outside_of_the_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "rewards.py").write_text(REWARD)
    (tmp_path / "a" / "a.poe").write_text(
        'use dark from "../rewards.py:dark"\n' + GREY + "x ~ exp(dark())\n"
    )
    pipe = PoePipeline.from_program(tmp_path / "a" / "a.poe")
    with pytest.raises(ValueError, match=r"\.\./rewards.py is outside"):
        pipe.save_pretrained(tmp_path / "out")


def test_seeds_and_generators() -> None:
    pipe = PoePipeline.from_program(GREY, steps=2, particles=4)
    generator = torch.Generator().manual_seed(7)
    one, two = (pixels(pipe(generator=generator).images) for _ in range(2))
    assert not np.array_equal(one, two)
    again = pixels(pipe(generator=torch.Generator().manual_seed(7)).images)
    assert np.array_equal(one, again)
    torch.manual_seed(5)
    first = pipe().result.seed
    torch.manual_seed(5)
    assert pipe().result.seed == first
    with pytest.raises(TypeError, match="either a generator or a seed"):
        pipe(seed=1, generator=generator)
    with pytest.raises(TypeError, match="`generator` is one generator"):
        pipe(generator=[generator, generator])  # type: ignore[arg-type]


def test_inputs_and_options() -> None:
    pipe = PoePipeline.from_program(GREY, particles=8)
    out = pipe(level=0.9, seed=0, num_inference_steps=3)
    assert len(out.images) == 8 and out.images[0].size == (6, 4)
    assert pixels(out.images).mean() == pytest.approx(0.9 * 255, abs=8)
    assert pipe.to("cpu") == pipe
    assert out.result.particles["x"].dtype == torch.float32
    double = pipe(level=0.9, seed=0, num_inference_steps=3, dtype="float64")
    assert double.result.particles["x"].dtype == torch.float64
    with refused("P0605"):
        pipe(depth=1)
    with pytest.raises(ValueError, match="`seed` has the name"):
        PoePipeline.from_program("input seed : Real\nx ~ Normal(seed, 1)")


def test_films_are_lists_of_frames_and_points_are_none() -> None:
    film = PoePipeline.from_program("x : Video[3, 3, 2, 4]\nx ~ Normal(0.5, 0.1)", particles=2)
    (one, _) = film(seed=0, num_inference_steps=2).images
    assert [frame.size for frame in one] == [(4, 2)] * 3
    points = PoePipeline.from_program("x ~ Normal(0, 1)", particles=2, steps=2)
    assert points(seed=0).images == []


@pytest.mark.parametrize("index", ["{", "[]", '{"_class_name": "FluxPipeline"}'])
def test_folders_that_hold_no_pipeline(tmp_path: Path, index: str) -> None:
    (tmp_path / "model_index.json").write_text(index)
    with pytest.raises(ValueError, match=r"model_index\.json is"):
        PoePipeline.from_pretrained(tmp_path)


def test_folders_that_lack_something(tmp_path: Path) -> None:
    for expected, place in (
        ("there is no folder", tmp_path / "no"),
        ("has no model_index", tmp_path),
    ):
        with pytest.raises(FileNotFoundError, match=expected):
            PoePipeline.from_pretrained(place)
    (tmp_path / "model_index.json").write_text('{"_class_name": "PoePipeline"}')
    with pytest.raises(FileNotFoundError, match=r"it has no plan\.json"):
        PoePipeline.from_pretrained(tmp_path)


@pytest.mark.slow
def test_nothing_of_diffusers_is_imported_in_vain() -> None:
    code = (
        "import sys, poedsl\n"
        f"poedsl.PoePipeline.from_program({GREY!r}, steps=2, particles=2)(seed=0)\n"
        "print([m for m in ('diffusers', 'transformers') if m in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout == "[]\n"
