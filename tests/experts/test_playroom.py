"""The playroom's recipe, the whole way on a few scenes, where MuJoCo is installed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

import poedsl
from tests.experts.recipes import recipes

ROOT = Path(__file__).resolve().parent.parent.parent
NAMES = (
    "vae",
    "flux",
    "flux-depth",
    "flux-fill",
    "decoder",
    "rooms",
    "segmenter",
    "depth",
    "sight",
    "judge",
)


pytestmark = pytest.mark.skipif(find_spec("mujoco") is None, reason="MuJoCo is not installed")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with recipes():
        from playroom import data

        folder = tmp_path_factory.mktemp("playroom")
        data.render_all(folder, share=1e-4)
        yield folder


@pytest.mark.slow
def test_held_out_scenes_are_not_among_those_of_training(work: Path) -> None:
    from playroom import data

    scenes = {name: data.load(work, name)[1] for name in data.COUNTS}
    seen = {str(t) for name in ("scenes", "rooms") for t in scenes[name]}
    held = {str(t) for name in ("held_out", "held_out_rooms") for t in scenes[name]}
    assert seen and held and not seen & held


def test_segments_depth_and_captions_belong_together(work: Path) -> None:
    from playroom import data

    arrays, scenes = data.load(work, "held_out")
    classes = data.classes(scenes, arrays["segments"])
    for k, one in enumerate(scenes):
        assert one["caption"].count(" and ") == (len(one["solids"]) > 1)
        for slot, (box, solid) in enumerate(zip(one["boxes"], one["solids"], strict=True)):
            inside = arrays["segments"][k] == slot + 1
            assert bool(inside.any())
            rows = inside.any(1).nonzero()[0]
            assert abs(rows[0] / 64 - box[1]) < 0.05 and abs((rows[-1] + 1) / 64 - box[3]) < 0.05
            assert len(set(classes[k][inside].tolist())) == 1
            near = arrays["depth"][k][inside].mean()
            wall = arrays["depth"][k][:8].mean()
            assert near > wall, solid


@pytest.mark.slow
def test_everything_trains_goes_on_and_runs(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from playroom import export, train

    monkeypatch.chdir(tmp_path)
    train.vae(work, 1, 2, 2)
    train.latents(work)
    for name in NAMES[1:]:
        if name.startswith("flux"):
            train.flow(work, name, 1, 2, 2)
        else:
            getattr(train, name)(work, 1, 2, 2)
    before = torch.load(work / "flux.pt", weights_only=True)["step"]
    train.flow(work, "flux", 1, 3, 2)
    after = torch.load(work / "flux.pt", weights_only=True)["step"]
    assert (before, after) == (2, 3)
    export.export(work, tmp_path / "out")
    names = ("flux", "flux-depth", "rooms", "depth", "judge")
    folders = {n: str(tmp_path / "out" / n) for n in names}
    program = (
        f'x ~ flux("a red box", model = "{folders["flux"]}") ^ 0.5 '
        f'* flux_depth(d, "a red box", model = "{folders["flux-depth"]}") ^ 0.5 '
        f'* exp(vqascore("a red box", model = "{folders["judge"]}")) '
        f'* exp(depth_agreement(d, model = "{folders["depth"]}"))\n'
        "sample x by anneal(particles = 2, steps = 3)\n"
    )
    found = poedsl.compile(program).bind(d=torch.rand(64, 64)).run().particles["x"]
    assert found.shape == (2, 3, 64, 64)
    rooms = f'x ~ room("couch", model = "{folders["rooms"]}")\n'
    result = poedsl.compile(rooms).run(particles=2, steps=3)
    assert result.particles["x"].shape == (2, 3, 64, 64)
