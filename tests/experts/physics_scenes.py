"""Scenes for tests of the source `mujoco`."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from poedsl.experts.physics.mujoco_scene import mujoco
from poedsl.grammar.errors import PoeError

#: A camera at height one, three before the plane y = 0, that looks along y.
CAMERA = '<camera name="eye" pos="0 -3 1" xyaxes="1 0 0 0 0 1" fovy="45"/>'
WALL = '<geom name="wall" type="box" size="9 .1 9" pos="0 1.1 0"/>'
#: Its front is at y = -0.2.
BOX = '<body name="box" pos="0 0 1.6"><freejoint/><geom type="box" size=".2 .2 .2"/></body>'
POST = '<geom name="post" type="box" size=".1 .1 2" pos="-.9 -1.4 1"/>'


def scene(folder: Path, *parts: str, options: str = "", after: str = "") -> str:
    path = folder / "scene.xml"
    world = "".join(parts)
    path.write_text(
        f'<mujoco><option timestep="0.001" {options}/><worldbody><light pos="0 -2 4"/>{world}'
        f"</worldbody>{after}</mujoco>",
        encoding="utf-8",
    )
    return str(path)


def render(
    path: str, frames: int = 1, size: tuple[int, int] = (48, 64), **more: object
) -> dict[str, torch.Tensor]:
    """The frames of a scene; skips where nothing renders."""
    try:
        return mujoco(path, frames, size, torch.device("cpu"), **more)  # type: ignore[arg-type]
    except PoeError as error:
        if error.diagnostics[0].code == "P0703":
            pytest.skip(str(error.diagnostics[0].message))
        raise
