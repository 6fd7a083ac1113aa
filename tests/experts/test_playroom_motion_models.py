"""The models of the playroom in motion as they come with the package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import poedsl
from poedsl.catalog.profiles import BUILT_IN
from poedsl.experts.flows.film_latents import FilmCodec
from poedsl.experts.physics.mujoco_scene import mujoco
from poedsl.grammar.errors import PoeError

ROOT = Path(__file__).resolve().parent.parent.parent
HELD_OUT = ROOT / "models" / "playroom" / "held_out_films"
BALL = ROOT / "programs" / "playroom" / "ball.poe"
CPU = torch.device("cpu")


def held_out(name: str) -> Tensor:
    """Films (N, 17, 64, 64, ...) of the kept ones."""
    pixels = torch.from_numpy(np.array(Image.open(HELD_OUT / f"{name}.png")))
    rest = pixels.shape[2:]
    films = pixels.reshape(-1, 64, 17, 64, *rest).movedim(2, 1)
    return films.float() / 255


@pytest.mark.slow
def test_the_autoencoder_keeps_held_out_films() -> None:
    films = held_out("image")[:3].movedim(-1, 2)
    ball = held_out("ball")[:3, :, None]
    folder = str(ROOT / "models" / "playroom" / "wan-i2v")
    codec = FilmCodec(folder, CPU, BUILT_IN["small"])
    with torch.no_grad():
        latents = codec.encode(films)
        kept = codec.decode(latents)
    assert latents.shape[1:] == codec.shape(tuple(films.shape[1:])) == (12, 9, 8, 8)
    off = (kept - films).abs()
    assert float(off.mean()) < 0.03
    # Its colour: grey balls would be off by more than 0.2.
    assert float((off * ball).sum() / ball.sum() / 3) < 0.12


@pytest.mark.slow
def test_the_ball_of_the_program_is_where_the_simulation_has_it() -> None:
    try:
        sim = mujoco(str(BALL.with_suffix(".xml")), 17, (64, 64), CPU, fps=20)
    except (ImportError, PoeError) as error:
        pytest.skip(f"MuJoCo cannot render here: {error}")
    result = poedsl.compile(BALL).run(seed=0, profile="small", particles=1, steps=10)
    film = result.particles["x"][0]
    red = film[:, 0] - film[:, 1:].amax(1) > 0.25
    mask = sim["mask"] > 0.5
    overlap = (red & mask).sum((1, 2)) / (red | mask).sum((1, 2)).clamp(min=1)
    # A ball that stays where it is in the picture overlaps by less.
    still = (mask[:1] & mask).sum((1, 2)) / (mask[:1] | mask).sum((1, 2))
    assert float(overlap.mean()) > max(0.4, float(still.mean()))
