"""The recipe of the playroom in motion: its scenes, and the whole way on two of them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import poedsl
from tests.experts.recipes import recipes

ROOT = Path(__file__).resolve().parent.parent.parent


pytestmark = pytest.mark.skipif(find_spec("mujoco") is None, reason="MuJoCo is not installed")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A folder with two scenes to train on and one that is held out."""
    with recipes():
        from playroom_motion import data

        folder = tmp_path_factory.mktemp("motion")
        data.render_all(folder, scenes=2, held=1)
        yield folder


@pytest.mark.slow
def test_films_have_a_ball_that_moves_and_depths_without_the_scenery(work: Path) -> None:
    from playroom_motion import data

    arrays, scenes = data.load(work, "train")
    for k, scene in enumerate(scenes):
        assert scene["caption"].startswith(f"a {scene['colour']} ball {scene['motion']}, ") or (
            scene["caption"].startswith(f"an {scene['colour']} ball")
        )
        for name in ("ball", "scenery"):
            assert not np.array_equal(arrays[name][k, 0], arrays[name][k, -1])
        # In the simulation the wall is where the scenery is: the depth of a row does not change.
        depth = arrays["depth"][k].astype(float)
        only = arrays["scenery"][k] & ~arrays["ball"][k]
        rows = np.ma.masked_array(depth, arrays["ball"][k] | arrays["scenery"][k])
        behind = np.broadcast_to(np.ma.median(rows, axis=2)[..., None], depth.shape)
        assert np.abs(depth - behind)[only].mean() < 8


def test_the_program_has_the_simulation_of_a_scene_that_is_held_out(work: Path) -> None:
    from playroom_motion import data, scenes

    folder = ROOT / "programs" / "playroom"
    scene = data.held_out(28)
    assert (folder / "ball.xml").read_text() == scenes.mjcf(scene, simulation=True)
    assert scene.caption in (folder / "ball.poe").read_text()
    first = np.array(Image.open(folder / "inputs" / "ball.png").convert("RGB")).astype(float)
    assert np.abs(first - scenes.render(scene).image[0]).mean() < 1


@pytest.mark.slow
def test_everything_trains_goes_on_and_runs(work: Path, tmp_path: Path) -> None:
    from playroom_motion import export, train

    train.vae(work, 1, 2, 2)
    train.latents(work)
    for name in export.PIPELINES:
        train.flow(work, name, 1, 2, 2)
    steps = [torch.load(work / "wan-i2v.pt", weights_only=True)["step"]]
    train.flow(work, "wan-i2v", 1, 3, 2)
    steps.append(torch.load(work / "wan-i2v.pt", weights_only=True)["step"])
    assert steps == [2, 3]
    export.models(work, tmp_path)
    program = (
        f'x ~ wan_i2v(image, "a", guidance = 1, model = "{tmp_path / "wan-i2v"}")\n'
        f'x ~ wan_depth(depth, "a", guidance = 1, model = "{tmp_path / "wan-depth"}")\n'
        "sample x by anneal(particles = 1, steps = 2)\n"
    )
    head = "input image : Image\ninput depth : Depth[17, 64, 64]\nx : Video[17, 3, 64, 64]\n"
    plan = poedsl.compile(head + program)
    inputs = {"image": torch.rand(3, 64, 64), "depth": torch.rand(17, 64, 64)}
    assert plan.bind(**inputs).run().particles["x"].shape == (1, 17, 3, 64, 64)
