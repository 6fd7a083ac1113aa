"""The playroom in motion: a ball before scenery that moves by itself, as scenes of MuJoCo.

A film is 17 frames of 64 x 64 at 20 frames in a second. A ball falls, rolls or flies; a lamp
swings, somebody walks, or a shadow drifts. The scenery starts from rest or at one speed, and
towards the middle of the room, so that the first frame determines it; the ball's velocity is not to
be seen in the first frame. A simulation of the ball has the room, and none of the scenery.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from playroom.scenes import COLOURS

SIZE, FRAMES, FPS = 64, 17, 20
#: What the ball does, and what moves behind it.
MOTIONS = ("falls", "rolls", "flies")
SCENERY = {"lamp": "a lamp swings", "walker": "a person walks", "shadow": "a shadow drifts"}
#: Metres in a second.
WALKING, DRIFTING = 1.3, 1.2
#: The group of geometries that a simulation of the ball does not have.
_GROUP = 2
_LAMP_LENGTH = 0.7


@dataclass(frozen=True)
class Scene:
    """A room in which a ball moves.

    Attributes:
        colour: of the ball, a name. radius, place, velocity: in metres and metres in a second; x to
            the right, y away and z up. motion: one of ``MOTIONS``. ramp: (x, angle in degrees), or
            empty. floor, wall: colours. scenery: one of ``SCENERY``. start: where it is at first:
            an angle in degrees for the lamp, x in metres for the others. at: where the lamp hangs,
            how far away the walker is, and the shadow.
    """

    colour: str
    radius: float
    place: tuple[float, float, float]
    velocity: tuple[float, float, float]
    motion: str
    ramp: tuple[float, ...]
    floor: tuple[float, float, float]
    wall: tuple[float, float, float]
    scenery: str
    shade: tuple[float, float, float]
    start: float
    at: float

    @property
    def caption(self) -> str:
        article = "an" if self.colour[0] in "aeiou" else "a"
        return f"{article} {self.colour} ball {self.motion}, {SCENERY[self.scenery]}"

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "caption": self.caption}


@dataclass(frozen=True)
class Film:
    """Frames, bytes: image (17, 64, 64, 3) of everything, relative inverse depth (17, 64, 64) of
    the room and the ball; and where the ball and the scenery are seen (17, 64, 64).
    """

    image: np.ndarray
    depth: np.ndarray
    ball: np.ndarray
    scenery: np.ndarray


def draw_scene(rng: Generator) -> Scene:
    motion = str(rng.choice(MOTIONS))
    radius = float(rng.uniform(0.2, 0.32))
    side = float(rng.choice((-1, 1)))
    y = float(rng.uniform(-0.1, 0.5))
    ramp: tuple[float, ...] = ()
    if motion == "rolls":
        x, z = side * rng.uniform(0.2, 0.9), radius
        velocity = (-side * rng.uniform(0.7, 2.0), 0.0, 0.0)
    elif motion == "flies":
        x, z = side * rng.uniform(0.3, 0.95), rng.uniform(radius + 0.05, 0.8)
        velocity = (-side * rng.uniform(0.8, 2.0), 0.0, rng.uniform(1.0, 2.6))
    else:
        x, z = rng.uniform(-0.8, 0.8), rng.uniform(0.95, 1.35)
        velocity = (float(rng.uniform(-0.3, 0.3)), 0.0, 0.0)
        if rng.random() < 0.5:
            ramp = (float(x + rng.uniform(-0.1, 0.1)), float(rng.choice((-1, 1)) * 16))
    floor = rng.uniform(0.35, 0.6) + rng.uniform(-0.06, 0.06, 3)
    wall = rng.uniform(0.65, 0.85) + rng.uniform(-0.06, 0.06, 3)
    scenery = str(rng.choice(list(SCENERY)))
    towards = float(rng.choice((-1, 1)))
    start = {
        "lamp": lambda: towards * rng.uniform(25, 45),
        "walker": lambda: towards * rng.uniform(0.3, 1.3),
        "shadow": lambda: towards * rng.uniform(0.3, 1.0),
    }[scenery]()
    at = {
        "lamp": lambda: rng.uniform(-0.9, 0.9),
        "walker": lambda: rng.uniform(1.2, 1.4),
        "shadow": lambda: rng.uniform(0.3, 1.0),
    }[scenery]()
    return Scene(
        str(rng.choice(list(COLOURS))),
        radius,
        (float(x), y, float(z)),
        tuple(map(float, velocity)),
        motion,
        ramp,
        tuple(map(float, floor)),
        tuple(map(float, wall)),
        scenery,
        tuple(map(float, rng.uniform(0.05, 0.5, 3))),
        float(start),
        float(at),
    )


def mjcf(scene: Scene, *, simulation: bool = False) -> str:
    """The scene in MJCF; its keyframe has the velocities.

    Args:
        simulation: of the ball, without the scenery.
    """
    moving, position, velocity = "", "", ""
    if not simulation:
        moving, position, velocity = _scenery(scene)
    ramp = ""
    if scene.ramp:
        x, angle = scene.ramp
        ramp = (
            f'<geom name="ramp" type="box" size=".45 .4 .03" rgba=".45 .3 .2 1" '
            f'pos="{x:.4f} {scene.place[1]:.4f} .32" euler="0 {angle:.4f} 0"/>'
        )
    vx, vy, vz = scene.velocity
    spin = vx / scene.radius if scene.motion == "rolls" else 0.0
    place = _numbers(scene.place)
    return f"""<mujoco model="the playroom in motion">
  <option timestep="0.002"/>
  <visual>
    <quality shadowsize="256" offsamples="4"/>
    <headlight ambient=".35 .35 .35" diffuse=".25 .25 .25" specular=".05 .05 .05"/>
    <map znear=".05" zfar="10"/>
  </visual>
  <statistic extent="1" center="0 0 1"/>
  <worldbody>
    <light pos="0 -1.5 3.5" dir="0 .35 -1" diffuse=".6 .6 .6" castshadow="false"/>
    <camera name="eye" pos="0 -2.55 1.45" xyaxes="1 0 0 0 .37 .93" fovy="48"/>
    <geom name="floor" type="plane" size="5 5 .1" rgba="{_numbers(scene.floor)} 1"/>
    <geom name="wall" type="box" size="5 .1 3" pos="0 1.7 3" rgba="{_numbers(scene.wall)} 1"/>
    {ramp}
    <body name="ball" pos="{place}">
      <freejoint/>
      <geom type="sphere" size="{scene.radius:.4f}" density="600" condim="6"
        friction="1 .01 .002" solref=".02 .35" rgba="{_numbers(COLOURS[scene.colour])} 1"/>
    </body>
    {moving}
  </worldbody>
  <keyframe>
    <key qpos="{place} 1 0 0 0 {position}"
      qvel="{vx:.4f} {vy:.4f} {vz:.4f} 0 {spin:.4f} 0 {velocity}"/>
  </keyframe>
</mujoco>
"""


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{v:.4f}" for v in values)


def _scenery(scene: Scene) -> tuple[str, str, str]:
    """Its body, its place, and its velocity."""
    geom = f'<geom group="{_GROUP}" contype="0" conaffinity="0" mass="1"'
    shade = f'rgba="{_numbers(scene.shade)} 1"'
    towards = -math.copysign(1.0, scene.start)
    if scene.scenery == "lamp":
        shapes = f"""<joint type="hinge" axis="0 1 0"/>
      {geom} type="capsule" size=".02" fromto="0 0 0 0 0 -{_LAMP_LENGTH}" rgba=".15 .15 .15 1"/>
      {geom} type="ellipsoid" size=".22 .22 .15" pos="0 0 -{_LAMP_LENGTH}" {shade}/>"""
        body = f'<body name="lamp" pos="{scene.at:.4f} 1.15 1.8">{shapes}</body>'
        return body, f"{math.radians(scene.start):.4f}", "0"
    slide = '<joint type="slide" axis="1 0 0"/>'
    if scene.scenery == "walker":
        shapes = f"""{slide}
      {geom} type="capsule" size=".2" fromto="0 0 .2 0 0 .75" {shade}/>
      {geom} type="sphere" size=".15" pos="0 0 1.08" rgba=".8 .6 .5 1"/>"""
        body = f'<body name="walker" pos="0 {scene.at:.4f} 0">{shapes}</body>'
        return body, f"{scene.start:.4f}", f"{towards * WALKING:.4f}"
    shapes = f'{slide} {geom} type="cylinder" size=".42 .002" rgba="0 0 0 .5"/>'
    body = f'<body name="shadow" pos="0 {scene.at:.4f} .004">{shapes}</body>'
    return body, f"{scene.start:.4f}", f"{towards * DRIFTING:.4f}"


def render(scene: Scene) -> Film:
    """Simulate and render a scene, as the source ``mujoco`` of poedsl does."""
    os.environ.setdefault("MUJOCO_GL", "egl")
    import mujoco

    model = mujoco.MjModel.from_xml_string(mjcf(scene))
    data = mujoco.MjData(model)
    mujoco.mj_resetDataKeyframe(model, data, 0)
    mujoco.mj_forward(model, data)
    renderer = mujoco.Renderer(model, SIZE, SIZE)
    try:
        frames = list(_frames(mujoco, model, data, renderer))
    finally:
        renderer.close()
    image, distance, ball, scenery = (np.stack(part) for part in zip(*frames, strict=True))
    inverse = 1 / distance
    low, high = inverse.min(), inverse.max()
    depth = (255 * (inverse - low) / (high - low)).round().astype(np.uint8)
    return Film(image, depth, ball, scenery)


def _frames(mujoco: Any, model: Any, data: Any, renderer: Any) -> Iterator[tuple[Any, ...]]:
    simulated = mujoco.MjvOption()
    simulated.geomgroup[_GROUP] = 0
    geoms = np.append(model.geom_bodyid, 0)
    for k in range(FRAMES):
        while data.time < k / FPS - model.opt.timestep / 2:
            mujoco.mj_step(model, data)
        mujoco.mj_forward(model, data)
        renderer.update_scene(data, camera="eye")
        image = renderer.render().copy()
        renderer.enable_segmentation_rendering()
        bodies = geoms[renderer.render()[..., 0]]
        renderer.disable_segmentation_rendering()
        renderer.update_scene(data, camera="eye", scene_option=simulated)
        renderer.enable_depth_rendering()
        distance = renderer.render().copy()
        renderer.disable_depth_rendering()
        yield image, distance, bodies == 1, bodies == 2
