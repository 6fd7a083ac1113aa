"""The camera of a rendered frame: from places in the scene to pixels and back.

Pixels are counted from the top left corner of the picture: x to the right, y down, so that the
centre of the first pixel is at (0.5, 0.5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

Vectors = Float[np.ndarray, "N 3"]
Pixels = Float[np.ndarray, "N 2"]


@dataclass(frozen=True, slots=True)
class Camera:
    """A perspective camera.

    Attributes:
        place: of its eye. axes: (3, 3), to the right, up and forward, a row each.
        low, high: the corners of what is seen at distance one, left and bottom, right and top.
        size: height and width of the picture in pixels.
    """

    place: Float[np.ndarray, " 3"]
    axes: Float[np.ndarray, "3 3"]
    low: tuple[float, float]
    high: tuple[float, float]
    size: tuple[int, int]

    @classmethod
    def of(cls, scene: Any, size: tuple[int, int]) -> Camera:
        """The camera of MuJoCo's scene, which is that between the two of its stereo pair."""
        eye, other = scene.camera
        forward, up = np.array(eye.forward, float), np.array(eye.up, float)
        axes = np.stack([np.cross(forward, up), up, forward])
        near, height = float(eye.frustum_near), float(eye.frustum_top - eye.frustum_bottom)
        half = float(eye.frustum_width) or 0.5 * height * size[1] / size[0]
        centre = float(eye.frustum_center + other.frustum_center) / 2
        place = (np.array(eye.pos, float) + np.array(other.pos, float)) / 2
        low = ((centre - half) / near, float(eye.frustum_bottom) / near)
        high = ((centre + half) / near, float(eye.frustum_top) / near)
        return cls(place, axes, low, high, size)

    def pixels(self, points: Vectors) -> tuple[Pixels, Float[np.ndarray, " N"]]:
        """Where points are seen, and their distance along the line of sight's forward axis; what is
        behind the eye has no place that means anything, and a distance that is not above zero.
        """
        seen = (points - self.place) @ self.axes.T
        distance = seen[:, 2]
        at_one = seen[:, :2] / np.where(np.abs(distance) < 1e-9, 1e-9, distance)[:, None]
        share = (at_one - self.low) / np.subtract(self.high, self.low)
        height, width = self.size
        return np.stack([share[:, 0] * width, (1 - share[:, 1]) * height], -1), distance

    def points(self, pixels: Pixels, distance: Float[np.ndarray, " N"]) -> Vectors:
        """The inverse of `pixels`."""
        height, width = self.size
        share = np.stack([pixels[:, 0] / width, 1 - pixels[:, 1] / height], -1)
        at_one = self.low + share * np.subtract(self.high, self.low)
        seen = np.concatenate([at_one, np.ones((len(pixels), 1))], -1) * distance[:, None]
        points: Vectors = seen @ self.axes + self.place
        return points
