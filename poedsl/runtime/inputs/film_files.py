"""Films: frames with the times at which they are shown."""

from __future__ import annotations

import importlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from poedsl.grammar.program_files import is_file
from poedsl.runtime.inputs.rasters import within_limit

#: The endings of films; a GIF, TIFF or WebP with several pictures is read by Pillow.
FILMS = (".mp4", ".mov", ".webm")
#: How far intervals between frames may differ, as a share of the median, in a film of one rate:
#: containers round times to a thousandth of a second, and cameras are not exact.
_LARGEST_UNEVENNESS = 0.25
_DEGREES = 90
#: The first element of a Matroska file, and the one that holds all that follows.
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
#: What a file may be: others, such as lists of addresses, could make the library open more files.
_LIMITS = {
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm",
    "protocol_whitelist": "file",
}


@dataclass(frozen=True, slots=True)
class Film:
    """Frames in their order.

    Attributes:
        frames: PIL images. times: of each frame, in seconds from the first; empty where the file
            has none. end: when the last frame ends.
    """

    frames: tuple[Any, ...]
    times: tuple[float, ...] = ()
    end: float = 0.0

    @property
    def intervals(self) -> tuple[float, ...]:
        """Seconds between frames."""
        return tuple(b - a for a, b in zip(self.times, self.times[1:], strict=False))

    @property
    def varies(self) -> bool:
        """Whether its frames are not at even times."""
        gaps = sorted(self.intervals)
        if not gaps:
            return False
        return gaps[-1] - gaps[0] > _LARGEST_UNEVENNESS * max(gaps[len(gaps) // 2], 1e-3)

    @property
    def rate(self) -> float:
        """Frames in a second, on average; 0 where it is not known."""
        return len(self.times) / self.end if self.end > 0 else 0.0


def library() -> Any:
    """The library `av`, which reads and writes films.

    Raises:
        ImportError: it is not installed.
    """
    return importlib.import_module("av")


def _all(count: int, time: float) -> bool:
    return False


def read_film(path: Path, enough: Callable[[int, float], bool] = _all) -> Film:
    """The frames of a film, upright.

    Args:
        enough: whether, after so many frames of which the last is at a time, the rest is not
            needed; by default all are read.

    Raises:
        FileNotFoundError: there is no such file.
        ImportError: the library that reads it is not installed.
        ValueError: it is no film, or it has no frames.
        PoeError: its frames have more numbers than the limit (P0507).
    """
    if not is_file(path):
        raise FileNotFoundError(path)
    av = library()
    frames: list[Any] = []
    times: list[float] = []
    last = 0.0
    try:
        with av.open(str(path), container_options=_LIMITS) as film:
            for frame in film.decode(video=0):
                frames.append(_upright(frame))
                times.append(_time(frame, times))
                last = _duration(frame)
                within_limit(len(frames), frame.height, frame.width)
                if enough(len(frames), times[-1] - times[0]):
                    break
    except (av.FFmpegError, IndexError) as error:
        raise ValueError(f"it is no film: {error}") from error
    if not frames:
        raise ValueError("it is a film without frames")
    if _is_cut(path):
        raise ValueError("its end is missing")
    return _film(frames, times, last)


def _is_cut(path: Path) -> bool:
    """Whether a Matroska or WebM file is shorter than it says, of which the library reads the part
    that is there; it refuses such MP4 files by itself.
    """
    with path.open("rb") as file:
        if file.read(4) != _EBML:
            return False
        file.seek(_size(file) or 0, io.SEEK_CUR)
        if file.read(4) != _SEGMENT or (size := _size(file)) is None:
            return False
        return file.tell() + size > file.seek(0, io.SEEK_END)


def _size(file: BinaryIO) -> int | None:
    """The length of an EBML element (RFC 8794, 4 and 6), None where it is left open."""
    first = file.read(1)[0]
    more = 8 - first.bit_length()
    value = int.from_bytes(bytes([first & (0x7F >> more)]) + file.read(more), "big")
    return None if value == 2 ** (7 * (more + 1)) - 1 else value


def read_animation(image: Any, frames: Iterator[Any]) -> Film:
    """The frames of a picture file, with the times that a GIF or a WebP has.

    Args:
        image: as Pillow opened it. frames: the same image at each of its frames.
    """
    kept: list[Any] = []
    times, now, last = [], 0.0, 0.0
    for frame in frames:
        kept.append(frame.copy())
        last = float(image.info.get("duration", 0)) / 1000
        times.append(now)
        now += last
    return Film(tuple(kept), tuple(times), now) if last else Film(tuple(kept))


def _film(frames: list[Any], times: list[float], last: float) -> Film:
    shown = tuple(t - times[0] for t in times)
    if not last and len(shown) > 1:
        last = shown[-1] / (len(shown) - 1)
    return Film(tuple(frames), shown, shown[-1] + last)


def _upright(frame: Any) -> Any:
    image = frame.to_image()
    turned = frame.rotation % 360
    return image.rotate(turned, expand=True) if turned and turned % _DEGREES == 0 else image


def _time(frame: Any, times: list[float]) -> float:
    return float(frame.time) if frame.time is not None else (times[-1] if times else 0.0)


def _duration(frame: Any) -> float:
    has_duration = frame.duration and frame.time_base
    return float(frame.duration * frame.time_base) if has_duration else 0.0
