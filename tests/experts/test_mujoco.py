"""The source `mujoco`, against scenes whose pictures follow from geometry and from free fall."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

import poedsl
from poedsl.experts.physics import mujoco_scene
from poedsl.grammar.errors import PoeError
from tests.experts.physics_scenes import BOX, CAMERA, POST, WALL, render, scene

pytestmark = pytest.mark.skipif(find_spec("mujoco") is None, reason="MuJoCo is not installed")
#: Pixels a unit of length at distance one, of 48 rows under 45 degrees.
FOCAL = 24 / math.tan(math.radians(22.5))
FPS = 16


def row(height: float, distance: float) -> float:
    return 24 - FOCAL * (height - 1) / distance


@pytest.mark.slow
def test_free_fall_is_seen_where_the_camera_projects_it(tmp_path: Path) -> None:
    out = render(scene(tmp_path, CAMERA, WALL, BOX), frames=6)
    heights = [1.6 - 9.81 * (k / FPS) ** 2 / 2 for k in range(6)]
    centres = out["centroids"][:, 0]
    torch.testing.assert_close(centres[:, 0], torch.full((6,), 32.0), atol=1e-3, rtol=0)
    expected = torch.tensor([row(z, 3) for z in heights])
    torch.testing.assert_close(centres[:, 1], expected, atol=0.1, rtol=0)
    for mask, centre, box in zip(out["mask"], centres, out["boxes"][:, 0], strict=True):
        rows, columns = mask.nonzero(as_tuple=True)
        assert abs(float(columns.float().mean()) + 0.5 - 32) < 0.6
        assert abs(float(rows.float().mean()) + 0.5 - float(centre[1])) < 1.0
        left, top, right, bottom = box.tolist()
        assert mask[int(top) : int(bottom), int(left) : int(right)].sum() == mask.sum()
        assert right - left == pytest.approx(FOCAL * 0.4 / 2.8, abs=1.5)
    assert torch.equal(out["segments"], out["mask"])


def test_flow_is_that_of_what_is_seen(tmp_path: Path) -> None:
    """The front of a box falls past a wall that stands still."""
    out = render(scene(tmp_path, CAMERA, WALL, BOX), frames=3)
    fallen = [9.81 * (k / FPS) ** 2 / 2 for k in range(3)]
    for k in range(2):
        box, flow = out["mask"][k] > 0, out["flow"][k]
        assert flow[:, ~box].abs().max() < 1e-3
        assert flow[0, box].abs().max() < 0.05
        expected = FOCAL * (fallen[k + 1] - fallen[k]) / 2.8
        assert float(flow[1, box].median()) == pytest.approx(expected, abs=0.05)
    assert not out["flow"][2].any()


def test_points_of_a_face_move_with_it(tmp_path: Path) -> None:
    out = render(scene(tmp_path, CAMERA, WALL, BOX), frames=5)
    moved = out["tracks"] - out["tracks"][:1]
    fallen = torch.tensor([9.81 * (k / FPS) ** 2 / 2 for k in range(5)])
    front = (moved[-1, :, 1] - FOCAL * fallen[-1] / 2.8).abs() < 0.3
    assert int(front.sum()) >= 8
    assert moved[..., 0].abs().max() < 0.05
    expected = (FOCAL * fallen / 2.8)[:, None].expand(5, int(front.sum()))
    torch.testing.assert_close(moved[:, front, 1], expected, atol=0.3, rtol=0)
    assert out["visible"][:, front].min() == 1


@pytest.mark.slow
def test_points_are_hidden_behind_what_is_nearer(tmp_path: Path) -> None:
    """A box that slides behind a post, at the left of the picture."""
    thrown = '<keyframe><key qpos="0 0 1.2 1 0 0 0" qvel="-4 0 1 0 0 0"/></keyframe>'
    path = scene(tmp_path, CAMERA, WALL, POST, BOX, after=thrown)
    out = render(path, frames=12, seconds=0.6)
    seen = out["visible"].mean(1)
    area = out["mask"].sum((1, 2))
    assert seen.max() == 1 and seen.min() < 0.2
    assert int(area.argmin()) == pytest.approx(int(seen.argmin()), abs=1)


def test_depth_is_relative_and_inverse(tmp_path: Path) -> None:
    """The post is nearest, at 1.5; the front of the box is at 2.8, and the wall at 4."""
    out = render(scene(tmp_path, CAMERA, WALL, POST, BOX))["depth"][0]
    near, far = 1 / 1.5, 1 / 4
    assert out.max() == 1 and out.min() == 0
    assert float(out[24, 50]) == pytest.approx(0, abs=1e-3)
    at = round(row(1.6, 3))
    assert float(out[at, 32]) == pytest.approx((1 / 2.8 - far) / (near - far), abs=2e-3)


def test_the_sky_has_no_depth_and_no_flow(tmp_path: Path) -> None:
    out = render(scene(tmp_path, CAMERA, BOX), frames=2)
    assert not (out["flow"][0] * (1 - out["mask"][0])).any() and out["flow"][0].any()
    out = {name: x[:1] for name, x in out.items()}
    assert torch.equal(out["depth"] > 0.5, out["mask"] > 0) and out["depth"].max() == 1


@pytest.mark.slow
def test_the_same_scene_gives_the_same_frames(tmp_path: Path) -> None:
    path = scene(tmp_path, CAMERA, WALL, BOX)
    first, again = (render(path, frames=3, size=(20, 30)) for _ in range(2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert first["rgb"].shape == (3, 3, 20, 30)
    assert 0 <= first["rgb"].min() < first["rgb"].max() <= 1


@pytest.mark.slow
def test_cameras_and_times(tmp_path: Path) -> None:
    side = '<camera name="side" pos="3 0 1" xyaxes="0 1 0 0 0 1" fovy="45"/>'
    path = scene(tmp_path, CAMERA, side, WALL, POST, BOX)
    first, named = render(path), render(path, camera="eye")
    assert torch.equal(first["rgb"], named["rgb"])
    assert not torch.equal(first["rgb"], render(path, camera="side")["rgb"])
    by_rate = render(path, frames=3, fps=20.0)
    assert torch.equal(by_rate["rgb"], render(path, frames=3, seconds=0.1)["rgb"])
    with pytest.raises(PoeError) as caught:
        render(path, camera="top")
    (found,) = caught.value.diagnostics
    assert found.code == "P0613" and "side" in found.notes[0]


def test_a_size_beyond_the_buffer_of_the_scene(tmp_path: Path) -> None:
    assert render(scene(tmp_path, BOX), size=(500, 700))["rgb"].shape == (1, 3, 500, 700)


def test_a_scene_in_urdf_and_without_a_camera(tmp_path: Path) -> None:
    inertia = '<inertia ixx=".1" ixy="0" ixz="0" iyy=".1" iyz="0" izz=".1"/>'
    middle = '<origin xyz="0 0 -.5"/>'
    body = (
        f'<inertial>{middle}<mass value="1"/>{inertia}</inertial>'
        f'<collision>{middle}<geometry><box size=".2 .2 1"/></geometry></collision>'
    )
    (tmp_path / "arm.urdf").write_text(
        f'<robot name="r"><link name="base">{body}</link><link name="arm">{body}</link>'
        '<joint name="j" type="continuous"><parent link="base"/><child link="arm"/>'
        '<origin xyz="0 .6 0" rpy="1 0 0"/><axis xyz="1 0 0"/></joint></robot>',
        encoding="utf-8",
    )
    out = render(str(tmp_path / "arm.urdf"), frames=4)
    assert out["centroids"].shape == (4, 1, 2) and 0 < out["mask"].mean() < 0.5
    assert (out["centroids"][-1] - out["centroids"][0]).abs().max() > 1


def test_a_scene_in_which_nothing_moves(tmp_path: Path) -> None:
    out = render(scene(tmp_path, CAMERA, WALL, POST), frames=2)
    assert out["tracks"].shape == (2, 0, 2) and out["boxes"].shape == (2, 0, 4)
    assert not out["mask"].any()


def refusal(path: str, frames: int = 2, **more: Any) -> str:
    with pytest.raises(PoeError) as caught:
        render(path, frames=frames, **more)
    (found,) = caught.value.diagnostics
    assert "\n" not in found.message
    return found.code


@pytest.mark.parametrize("content", [None, "", "no xml", "<mujoco><worldbody>", "<mujoco><x/>"])
def test_what_is_no_scene(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "x.xml").write_text(content, encoding="utf-8")
    assert refusal(str(tmp_path / "x.xml")) == "P0604"


def test_a_scene_that_explodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    spring = BOX.replace("<freejoint/>", '<joint type="slide" stiffness="1e12"/>')
    path = scene(
        tmp_path, CAMERA, spring.replace("/></body>", "/></body>"), options='integrator="RK4"'
    )
    text = Path(path).read_text(encoding="utf-8").replace("0.001", "0.1")
    text = text.replace("</worldbody>", '</worldbody><keyframe><key qpos="1"/></keyframe>')
    Path(path).write_text(text, encoding="utf-8")
    assert refusal(path, frames=20) == "P0613"
    assert capfd.readouterr() == ("", "")
    assert [p.name for p in tmp_path.iterdir()] == ["scene.xml"]


@pytest.mark.parametrize(
    "wrong", [{"size": (0, 4)}, {"fps": 0.0}, {"seconds": -1.0}, {"size": (40_000, 40_000)}]
)
def test_arguments_out_of_range(tmp_path: Path, wrong: dict[str, Any]) -> None:
    assert refusal(scene(tmp_path, BOX), **wrong) == "P0613"


def test_limits_of_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = scene(tmp_path, CAMERA, BOX)
    assert refusal(path, seconds=1e6) == "P0613"
    monkeypatch.setattr(mujoco_scene, "MOST_SECONDS", 0.0)
    assert refusal(path) == "P0613"


@pytest.mark.slow
@pytest.mark.statistical
def test_a_program_takes_a_scene_beside_it(tmp_path: Path) -> None:
    path = scene(tmp_path, CAMERA, WALL, BOX)
    (tmp_path / "p.poe").write_text(
        'let sim = mujoco("scene.xml", frames = 2, size = [4, 6], fps = 8)\n'
        "x : Video[2, 3, 4, 6]\nx ~ Normal(0, 1) * exp(-1000 * sum((x - sim.rgb)^2))\n",
        encoding="utf-8",
    )
    expected = render(path, frames=2, size=(4, 6), fps=8.0)["rgb"]
    result = poedsl.compile(tmp_path / "p.poe").run(particles=50, steps=10)
    assert float((result.particles["x"].mean(0) - expected).abs().mean()) < 0.05


@pytest.mark.parametrize("error", [ImportError("no EGL", name="OpenGL"), RuntimeError("MUJOCO_GL")])
def test_an_opengl_that_cannot_be_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def missing(name: str) -> None:
        raise error

    monkeypatch.setattr(mujoco_scene.importlib, "import_module", missing)
    with pytest.raises(PoeError) as caught:
        mujoco_scene.mujoco(scene(tmp_path, BOX), 1, (8, 8), torch.device("cpu"))
    (found,) = caught.value.diagnostics
    assert found.code == "P0703" and any("apt-get install" in note for note in found.notes)


@pytest.mark.slow
def test_without_a_screen(tmp_path: Path) -> None:
    """In a process of its own, as the library chooses its OpenGL when it is imported."""
    path = scene(tmp_path, BOX)
    code = (
        "import sys, torch\nfrom poedsl.grammar.errors import PoeError\n"
        "from poedsl.experts.physics.mujoco_scene import mujoco\n"
        f"try:\n    mujoco({path!r}, 1, (8, 8), torch.device('cpu'))\n"
        "except PoeError as error:\n    print(error.diagnostics[0].code)\n"
    )
    env = {**os.environ, "MUJOCO_GL": "glfw"}
    env.pop("DISPLAY", None)
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=100
    )
    assert done.stdout.strip() == "P0703"


def test_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scene.xml").write_text("<mujoco/>", encoding="utf-8")
    program = (
        'let sim = mujoco("scene.xml", frames = 2, size = [4, 4])\n'
        "x : Video[2, 3, 4, 4]\nx ~ Normal(0, 1) * exp(-sum((x - sim.rgb)^2))"
    )
    (tmp_path / "p.poe").write_text(program, encoding="utf-8")
    monkeypatch.setitem(sys.modules, "mujoco", None)
    with pytest.raises(PoeError) as caught:
        poedsl.compile(tmp_path / "p.poe").run()
    (found,) = caught.value.diagnostics
    assert found.code == "P0703" and "physics" in found.notes[0]
