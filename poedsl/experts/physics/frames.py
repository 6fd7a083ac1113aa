"""Rendered frames, and what is derived from them: boxes, centroids, tracked points, flow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float, Int

from poedsl.experts.physics.camera import Camera

#: Points of each body that are followed.
POINTS = 16
#: How far behind the surface that is seen a point is still visible, in radii of its body.
_BEHIND = 0.15


@dataclass(frozen=True, slots=True)
class Frame:
    """One rendered frame.

    Attributes:
        rgb: levels from 0 to 255. distance: along the forward axis, infinite where nothing is.
        segments: the number of the body in each pixel, from 1 for those that can move; else 0.
        places: of each such body's origin. axes: (B, 3, 3), their rotations.
        masses: the centres of their masses.
    """

    rgb: Int[np.ndarray, "H W 3"]
    distance: Float[np.ndarray, "H W"]
    segments: Int[np.ndarray, "H W"]
    places: Float[np.ndarray, "B 3"]
    axes: Float[np.ndarray, "B 3 3"]
    masses: Float[np.ndarray, "B 3"]
    camera: Camera


def boxes(frames: Sequence[Frame]) -> Float[np.ndarray, "F B 4"]:
    """Left, top, right and bottom of what is seen of each body, in pixels; zeros of one that is
    not seen.
    """
    out = np.zeros((len(frames), len(frames[0].places), 4), np.float32)
    for k, frame in enumerate(frames):
        for b in range(out.shape[1]):
            rows, columns = np.nonzero(frame.segments == b + 1)
            if len(rows):
                out[k, b] = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    return out


def centroids(frames: Sequence[Frame]) -> Float[np.ndarray, "F B 2"]:
    """Where the centre of each body's mass is in the picture, seen or not, in pixels."""
    return np.stack([f.camera.pixels(f.masses)[0] for f in frames]).astype(np.float32)


def tracks(
    frames: Sequence[Frame], radii: Float[np.ndarray, " B"]
) -> tuple[Float[np.ndarray, "F N 2"], Bool[np.ndarray, "F N"]]:
    """Points on the surfaces of the bodies over time, in pixels, `POINTS` of each body in turn; and
    whether each is seen.

    The points are evenly chosen of the pixels of a body in the frame that shows the most of it, and
    move with the body. Those of a body that no frame shows are at its origin, and not seen.

    Args:
        radii: of the bodies, from their origins.
    """
    local = np.concatenate([_chosen(frames, b) for b in range(len(radii))])
    owner = np.repeat(np.arange(len(radii)), POINTS)
    shown = np.array([any((f.segments == b + 1).any() for f in frames) for b in range(len(radii))])
    places, seen = [], []
    for frame in frames:
        rotated = np.einsum("nij,nj->ni", frame.axes[owner], local)
        pixels, distance = frame.camera.pixels(frame.places[owner] + rotated)
        places.append(pixels)
        seen.append(shown[owner] & _seen(frame, pixels, distance, owner, _BEHIND * radii[owner]))
    return np.stack(places).astype(np.float32), np.stack(seen)


def flows(frames: Sequence[Frame]) -> Float[np.ndarray, "F 2 H W"]:
    """By how many pixels to the right and down what is seen in each pixel moves until the next
    frame; zero of the last frame, and where nothing is.
    """
    out = np.zeros((len(frames), 2, *frames[0].segments.shape), np.float32)
    for k, (frame, after) in enumerate(pairwise(frames)):
        rows, columns = np.nonzero(np.isfinite(frame.distance))
        pixels = np.stack([columns, rows], -1) + 0.5
        points = frame.camera.points(pixels, frame.distance[rows, columns])
        owner = frame.segments[rows, columns] - 1
        moving = owner >= 0
        body = owner[moving]
        local = np.einsum("nij,ni->nj", frame.axes[body], points[moving] - frame.places[body])
        rotated = np.einsum("nij,nj->ni", after.axes[body], local)
        points[moving] = after.places[body] + rotated
        out[k][:, rows, columns] = (after.camera.pixels(points)[0] - pixels).T
    return out


def _chosen(frames: Sequence[Frame], body: int) -> Float[np.ndarray, "N 3"]:
    """Points of one body in its own coordinates."""
    counts = [int((f.segments == body + 1).sum()) for f in frames]
    frame = frames[int(np.argmax(counts))]
    rows, columns = np.nonzero(_inner(frame.segments == body + 1))
    if not len(rows):
        return np.zeros((POINTS, 3))
    picked = np.linspace(0, len(rows) - 1, POINTS).round().astype(int)
    pixels = np.stack([columns[picked], rows[picked]], -1) + 0.5
    points = frame.camera.points(pixels, frame.distance[rows[picked], columns[picked]])
    local: Float[np.ndarray, "N 3"] = (points - frame.places[body]) @ frame.axes[body]
    return local


def _inner(mask: Bool[np.ndarray, "H W"]) -> Bool[np.ndarray, "H W"]:
    """A mask without its edge, where depth belongs to what is behind; all of one that is thin."""
    padded = np.pad(mask, 1)
    inner: Bool[np.ndarray, "H W"] = (
        mask & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    )
    return inner if inner.any() else mask


def _seen(
    frame: Frame,
    pixels: Float[np.ndarray, "N 2"],
    distance: Float[np.ndarray, " N"],
    owner: Int[np.ndarray, " N"],
    behind: Float[np.ndarray, " N"],
) -> Bool[np.ndarray, " N"]:
    """Whether points are inside of the picture and not behind what is seen there."""
    height, width = frame.segments.shape
    column, row = np.floor(pixels).T
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height) & (distance > 0)
    at = row.clip(0, height - 1).astype(int), column.clip(0, width - 1).astype(int)
    of_owner = frame.segments[at] == owner + 1
    seen: Bool[np.ndarray, " N"] = inside & of_owner & (distance <= frame.distance[at] + behind)
    return seen
