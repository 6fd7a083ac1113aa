"""The playroom: rooms with a few solids, as scene graphs, rendered by MuJoCo.

A scene graph says all that is to be seen. Pictures are 64 x 64, in [0, 1]; depth is relative
inverse depth, 0 at the far end of the room and 1 close to the camera; the segmentation has the
number of each pixel's solid, from 1, and 0 elsewhere. MuJoCo renders without a window by
``MUJOCO_GL=egl`` or ``osmesa`` (Debian: ``libegl1`` or ``libosmesa6``).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.random import Generator

SIZE = 64
#: Pictures are rendered this much larger, and averaged.
FINER = 2
KINDS = ("sphere", "box", "cylinder", "cone")
COLOURS = {
    "red": (0.85, 0.08, 0.08),
    "orange": (0.95, 0.45, 0.05),
    "yellow": (0.95, 0.85, 0.1),
    "green": (0.1, 0.6, 0.15),
    "cyan": (0.1, 0.75, 0.8),
    "blue": (0.1, 0.2, 0.85),
    "purple": (0.5, 0.1, 0.65),
    "black": (0.05, 0.05, 0.05),
}
#: What a room holds in the class-conditional family.
CONTENTS = ("empty", "couch", "painting", "both")
NEAR, FAR = 1.5, 5.5
SLOTS, CONES = 3, (0.26, 0.32, 0.38)
#: Where geometries are compiled: away from the origin, where MuJoCo would not move them again.
REST = (0.1, 0.2, 0.3)


@dataclass(frozen=True)
class Solid:
    """A solid on the floor: its kind and colour, radius, and place to the right and away."""

    kind: str
    colour: str
    radius: float
    x: float
    y: float

    @property
    def text(self) -> str:
        return f"{'an' if self.colour[0] in 'aeiou' else 'a'} {self.colour} {self.kind}"


@dataclass(frozen=True)
class Scene:
    """A room: its solids from left to right, the colours of floor and wall, light and camera."""

    solids: tuple[Solid, ...]
    floor: tuple[float, float, float]
    wall: tuple[float, float, float]
    light: float
    camera: float
    couch: tuple[float, ...] = ()
    painting: tuple[float, ...] = ()

    @property
    def caption(self) -> str:
        return caption([s.text for s in self.solids])

    def without(self, solid: int) -> Scene:
        left = tuple(s for k, s in enumerate(self.solids) if k != solid)
        return replace(self, solids=left)

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "caption": self.caption}


@dataclass(frozen=True)
class Render:
    """A rendered scene: image (64, 64, 3) and segmentation (64, 64) of whole numbers, depth."""

    image: np.ndarray
    depth: np.ndarray
    segments: np.ndarray
    boxes: tuple[tuple[float, float, float, float], ...]


def caption(things: list[str]) -> str:
    if not things:
        return "an empty room"
    *first, last = things
    return f"{', '.join(first)} and {last}" if first else last


def draw_scene(rng: Generator) -> Scene:
    """None to three solids that stand apart."""
    count = int(rng.choice([0, 1, 2, 3], p=[0.04, 0.36, 0.36, 0.24]))
    solids: list[Solid] = []
    while len(solids) < count:
        kind = str(rng.choice(KINDS))
        radius = float(rng.choice(CONES) if kind == "cone" else rng.uniform(0.24, 0.4))
        y = float(rng.uniform(-0.5, 0.9))
        x = float(rng.uniform(-1, 1)) * (0.75 + 0.3 * (y + 0.5))
        apart = all(abs(s.x - x) > 0.85 * (s.radius + radius) + 0.12 for s in solids)
        if apart:
            solids.append(Solid(kind, str(rng.choice(list(COLOURS))), radius, x, y))
        elif rng.random() < 0.05:
            solids.clear()
    solids.sort(key=lambda s: s.x)
    return Scene(tuple(solids), *surroundings(rng))


def draw_room(rng: Generator, contents: str) -> Scene:
    """A room of the class-conditional family: with a couch, a painting, both or neither."""
    couch = painting = ()
    if contents in ("couch", "both"):
        shade = rng.uniform(0.15, 0.75, 3)
        couch = (float(rng.uniform(-0.6, 0.6)), *map(float, shade))
    if contents in ("painting", "both"):
        shade = rng.uniform(0.1, 0.95, 3)
        painting = (float(rng.uniform(-0.9, 0.9)), *map(float, shade))
    return Scene((), *surroundings(rng), couch, painting)


def surroundings(rng: Generator) -> tuple[Any, Any, float, float]:
    """Colours of floor and wall, the light's place, the camera's."""
    floor = tuple(float(c) for c in rng.uniform(0.35, 0.6) + rng.uniform(-0.06, 0.06, 3))
    wall = tuple(float(c) for c in rng.uniform(0.65, 0.85) + rng.uniform(-0.06, 0.06, 3))
    return floor, wall, float(rng.uniform(-1.5, 1.5)), float(rng.uniform(-0.25, 0.25))


class Studio:
    """Renders scenes with one model, whose geometries are put into place for each."""

    def __init__(self) -> None:
        import mujoco

        self.mujoco = mujoco
        self.model = mujoco.MjModel.from_xml_string(_xml())
        self.data = mujoco.MjData(self.model)
        self.renderer = mujoco.Renderer(self.model, FINER * SIZE, FINER * SIZE)
        self.names = {self.model.geom(k).name: k for k in range(self.model.ngeom)}
        self.rest = self.model.geom_pos.copy()

    def render(self, scene: Scene) -> Render:
        shown = self.place(scene)
        self.mujoco.mj_forward(self.model, self.data)
        r = self.renderer
        r.disable_depth_rendering()
        r.disable_segmentation_rendering()
        r.update_scene(self.data, camera="eye")
        image = r.render().astype(np.float32)
        r.enable_depth_rendering()
        r.update_scene(self.data, camera="eye")
        distance = r.render().copy()
        r.disable_depth_rendering()
        r.enable_segmentation_rendering()
        r.update_scene(self.data, camera="eye")
        geoms = r.render()[..., 0].copy()
        number = np.zeros(self.model.ngeom + 1, np.uint8)
        for slot, geom in enumerate(shown):
            number[geom] = slot + 1
        fine = number[geoms]
        inverse = (1 / distance - 1 / FAR) / (1 / NEAR - 1 / FAR)
        return Render(
            _averaged(image).round().astype(np.uint8),
            _averaged(inverse.clip(0, 1).astype(np.float32)),
            fine[FINER // 2 :: FINER, FINER // 2 :: FINER],
            tuple(_box(fine == slot + 1) for slot in range(len(shown))),
        )

    def place(self, scene: Scene) -> list[int]:
        """Put the geometries of a scene into view; those of its solids."""
        m = self.model
        m.geom_rgba[:, 3] = 0
        m.geom_rgba[self.names["floor"]] = (*scene.floor, 1)
        m.geom_rgba[self.names["wall"]] = (*scene.wall, 1)
        m.light_pos[0, 0] = scene.light
        m.cam_pos[0, 0] = scene.camera
        shown = []
        for slot, s in enumerate(scene.solids):
            name = s.kind if s.kind != "cone" else f"cone{CONES.index(s.radius)}"
            geom = self.names[f"{name}-{slot}"]
            if s.kind == "cone":
                m.geom_pos[geom] = self.rest[geom] + (s.x - REST[0], s.y - REST[1], -REST[2])
            else:
                r = s.radius
                m.geom_size[geom] = {"box": (0.85 * r,) * 3, "cylinder": (0.85 * r, r, 0)}.get(
                    s.kind, (r, 0, 0)
                )
                height = 0.85 * r if s.kind == "box" else r
                m.geom_pos[geom] = (s.x, s.y, height)
            m.geom_rgba[geom] = (*COLOURS[s.colour], 1)
            shown.append(geom)
        for name, object_ in (("couch", scene.couch), ("painting", scene.painting)):
            for part in ("a", "b") if object_ else ():
                geom = self.names[f"{name}-{part}"]
                x, *shade = object_
                m.geom_pos[geom] = self.rest[geom] + (x, 0, 0)
                tone = np.array(shade) * (0.35 if (name, part) == ("painting", "a") else 1)
                m.geom_rgba[geom] = (*tone, 1)
        return shown


def _averaged(fine: np.ndarray) -> np.ndarray:
    n = SIZE
    return fine.reshape(n, FINER, n, FINER, *fine.shape[2:]).mean((1, 3))


def _box(mask: np.ndarray) -> tuple[float, float, float, float]:
    """The sides of what is seen of a solid, in fractions; nothing seen has no extent."""
    rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
    if not len(rows):
        return 0.0, 0.0, 0.0, 0.0
    n = float(mask.shape[0])
    sides = columns[0] / n, rows[0] / n, (columns[-1] + 1) / n, (rows[-1] + 1) / n
    return tuple(map(float, sides))


def _xml() -> str:
    ring = [(math.cos(a), math.sin(a)) for a in np.linspace(0, 2 * math.pi, 33)[:-1]]
    cones, solids, at = "", "", " ".join(map(str, REST))
    for k, r in enumerate(CONES):
        corners = [f"{r * x:.4f} {r * y:.4f} 0" for x, y in ring] + [f"0 0 {2 * r:.4f}", "0 0 0"]
        cones += f'<mesh name="cone{k}" vertex="{" ".join(corners)}"/>'
    for slot in range(SLOTS):
        for kind in KINDS[:3]:
            solids += f'<geom name="{kind}-{slot}" type="{kind}" size=".3 .3 .3" pos="{at}"/>'
        for k in range(len(CONES)):
            solids += f'<geom name="cone{k}-{slot}" type="mesh" mesh="cone{k}" pos="{at}"/>'
    return f"""
<mujoco>
  <visual><quality shadowsize="1024" offsamples="4"/>
    <headlight ambient=".35 .35 .35" diffuse=".25 .25 .25" specular=".05 .05 .05"/>
    <map znear=".05" zfar="10"/></visual>
  <asset>{cones}</asset>
  <worldbody>
    <light pos="0 -1.5 3.5" dir="0 .35 -1" diffuse=".6 .6 .6" castshadow="true"/>
    <camera name="eye" pos="0 -2.55 1.45" xyaxes="1 0 0 0 .37 .93" fovy="48"/>
    <geom name="floor" type="plane" size="5 5 .1"/>
    <geom name="wall" type="box" size="5 .1 3" pos="0 1.7 3"/>
    {solids}
    <geom name="couch-a" type="box" size=".8 .3 .2" pos="0 1.0 .2"/>
    <geom name="couch-b" type="box" size=".8 .1 .42" pos="0 1.35 .42"/>
    <geom name="painting-a" type="box" size=".42 .02 .32" pos="0 1.58 1.2"/>
    <geom name="painting-b" type="box" size=".36 .02 .26" pos="0 1.56 1.2"/>
  </worldbody>
</mujoco>"""
