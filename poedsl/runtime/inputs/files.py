"""What files hold: pictures, films, numbers, text and layouts, by their endings."""

from __future__ import annotations

import importlib
import json
import re
import warnings
from pathlib import Path
from typing import Any

PICTURES = (".png", ".jpg", ".jpeg", ".webp")
FILMS = (".mp4", ".mov", ".webm")


class Unreadable(Exception):
    """A file that is there and cannot be read; the reason, and notes."""

    def __init__(self, reason: str, *notes: str) -> None:
        super().__init__(reason)
        self.notes = notes


def read(path: Path, kind: str, channels: int | None = None) -> Any:
    """The content of a file, as an input of a kind takes it.

    Args:
        kind: the name of the input's type.
        channels: of pictures and films, where the type says how many.

    Raises:
        FileNotFoundError: there is no such file.
        Unreadable: it cannot be read.
    """
    try:
        return _read(path, kind, channels)
    except FileNotFoundError:
        raise
    except (OSError, EOFError, ValueError, SyntaxError, UserWarning) as error:
        reason = str(error) or type(error).__name__
        raise Unreadable(reason.splitlines()[0]) from error


def _read(path: Path, kind: str, channels: int | None) -> Any:
    ending = path.suffix.lower()
    if kind == "Text":
        return path.read_text(encoding="utf-8").removesuffix("\n")
    if path.is_dir():
        return _stacked(_frames(path), kind, channels)
    if ending in FILMS:
        return _stacked(_film(path), kind, channels)
    if ending in PICTURES:
        return picture(_open(path), kind, channels)
    if ending == ".npy":
        import numpy as np

        return np.load(path, allow_pickle=False)
    if ending == ".csv":
        import numpy as np

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return np.loadtxt(path, delimiter=",", ndmin=1)
    text = path.read_text(encoding="utf-8")
    return json.loads(text) if ending == ".json" else text


def _open(path: Path) -> Any:
    from PIL import Image

    with Image.open(path) as image:
        image.load()
        return image


def _frames(folder: Path) -> list[Any]:
    """The pictures of a folder by name, numbers in their names in order of size."""
    pictures = [p for p in folder.iterdir() if p.suffix.lower() in PICTURES]
    if not pictures:
        raise ValueError("the folder holds no PNG, JPEG or WebP")
    return [_open(p) for p in sorted(pictures, key=_order)]


def _order(path: Path) -> list[tuple[int, str]]:
    pieces = re.split(r"(\d+)", path.name)
    return [(int(p), "") if p.isdigit() else (0, p) for p in pieces]


def _film(path: Path) -> list[Any]:
    if not path.is_file():
        raise FileNotFoundError(path)
    try:
        av = importlib.import_module("av")
    except ImportError as error:
        raise Unreadable(
            "films need the library `av`, which is not installed",
            "install it with: pip install av",
            "or give a folder of frames: PNG, JPEG or WebP, sorted by name",
        ) from error
    try:
        with av.open(str(path)) as film:
            return [frame.to_image() for frame in film.decode(video=0)]
    except (av.FFmpegError, IndexError) as error:
        raise ValueError(f"it is no film: {error}") from error


def _stacked(frames: list[Any], kind: str, channels: int | None) -> Any:
    import numpy as np

    sizes = {frame.size for frame in frames}
    if len(sizes) > 1:
        raise ValueError("its frames differ in size")
    return np.stack([picture(frame, kind, channels) for frame in frames])


def picture(image: Any, kind: str, channels: int | None) -> Any:
    """A PIL image, channel-first in [0, 1]; maps are rows and columns alone."""
    is_map = kind in ("Depth", "Mask")
    pixels = _pixels(image, "L" if is_map or channels == 1 else "RGB")
    if is_map:
        return pixels
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _pixels(image: Any, mode: str) -> Any:
    """Rows and columns in [0, 1]; 16-bit and floating-point pictures keep their precision."""
    import numpy as np

    if image.mode == "F":
        return np.asarray(image, dtype=np.float32)
    if image.mode.startswith("I"):
        return np.asarray(image, dtype=np.float32) / 65535
    return np.asarray(image.convert(mode), dtype=np.float32) / 255
