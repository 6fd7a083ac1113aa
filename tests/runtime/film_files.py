"""Films for tests."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

#: Milliseconds between the frames of an even film.
GAP = 100


def levels(count: int, height: int = 8, width: int = 12) -> list[np.ndarray]:
    """Grey frames, each 20 levels lighter than the one before."""
    return [np.full((height, width, 3), 20 * k, dtype=np.uint8) for k in range(count)]


def film(path: Path, frames: Sequence[np.ndarray], times: Sequence[int] = ()) -> Path:
    """An MP4 or a WebM of frames that are shown at times in milliseconds."""
    height, width = frames[0].shape[:2]
    with av.open(str(path), "w") as container:
        codec = "libvpx-vp9" if path.suffix == ".webm" else "libx264"
        stream = container.add_stream(codec, rate=round(1000 / GAP), options={"crf": "5"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for time, pixels in zip(times or range(0, GAP * len(frames), GAP), frames, strict=True):
            frame = av.VideoFrame.from_ndarray(pixels)
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def gif(path: Path, frames: Sequence[np.ndarray], durations: Sequence[int] | int = GAP) -> Path:
    first, *others = map(Image.fromarray, frames)
    first.save(path, save_all=True, append_images=others, duration=durations)
    return path


def folder(path: Path, frames: Sequence[np.ndarray]) -> Path:
    path.mkdir(parents=True)
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(path / f"{number}.png")
    return path
