"""PIL images as arrays: upright, colour keys and palettes resolved, at their own precision."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from poedsl.grammar.errors import PoeError
from poedsl.grammar.limits import excess, limit

# Pillow logs what it cannot decode; without a handler that would go to standard error.
logging.getLogger("PIL").addHandler(logging.NullHandler())

#: Modes whose arrays are read as they are: their bands are grey or red, green and blue, and alpha.
_PLAIN = ("1", "L", "LA", "RGB", "RGBA", "F", "I")


@dataclass(frozen=True, slots=True)
class Raster:
    """A picture, or frames, before their values are scaled.

    Attributes:
        array: ([frames,] height, width[, channels]), of booleans, levels or floating-point numbers.
        remarks: codes of warnings on how it was read.
    """

    array: Any
    remarks: tuple[str, ...] = ()


@contextmanager
def noting_damage() -> Iterator[list[str]]:
    """Collect the code of a remark if Pillow warns of what it reads; a bomb is an error.

    Raises:
        PIL.Image.DecompressionBombWarning: a picture has more pixels than the limit.
    """
    from PIL import Image

    remarks: list[str] = []
    most, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, limit("pixels")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", UserWarning)
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield remarks
    finally:
        Image.MAX_IMAGE_PIXELS = most
    if caught:
        remarks.append("P1035")


def is_picture(value: object) -> bool:
    """Whether a value is a PIL image."""
    return hasattr(value, "getbands")


def load(image: Any) -> None:
    """Decode an image.

    Pillow maps an uncompressed TIFF whose name it knows into memory, and confuses the sides of one
    that its EXIF data turn; without a name it reads the file.
    """
    name = getattr(image, "filename", "")
    if name and image.format == "TIFF":
        image.filename = ""
    try:
        image.load()
    finally:
        if name:
            image.filename = name


def raster(image: Any, framed: bool) -> Raster:
    """A PIL image; where frames are wanted, all that its file has, else the first.

    Raises:
        ValueError: it has no pixels that can be read, or too many.
    """
    count = getattr(image, "n_frames", 1)
    if framed and count > 1:
        width, height = image.size
        within_limit(count, height, width)
        return stacked([frame.copy() for frame in _frames(image, count)])
    array = _array(image)
    return Raster(array[None] if framed else array, ("P1033",) if count > 1 else ())


def within_limit(count: int, height: int, width: int) -> None:
    """Whether frames have no more numbers than the limit, with three channels each.

    Raises:
        PoeError: they have more (P0507).
    """
    subject = f"frames of {height} x {width} pixels, of which there are {count} or more, have"
    if too_large := excess("numbers", subject, 3 * count * width * height):
        raise PoeError((too_large,))


def stacked(images: Sequence[Any]) -> Raster:
    """Frames, (frames, height, width[, channels]).

    Raises:
        ValueError: they differ in size or precision, or there are none.
    """
    import numpy as np

    if not images:
        raise ValueError("there are no frames")
    arrays = [_array(image) for image in images]
    if len({array.shape[:2] for array in arrays}) > 1:
        raise ValueError("its frames differ in size")
    if len({array.dtype for array in arrays}) > 1:
        raise ValueError("its frames differ in precision")
    if len({array.shape for array in arrays}) > 1:
        arrays = [_array(image, "RGBA") for image in images]
    return Raster(np.stack(arrays))


def _frames(image: Any, count: int) -> Iterator[Any]:
    for number in range(count):
        image.seek(number)
        yield image


def _array(image: Any, mode: str = "") -> Any:
    """The pixels of an upright image, (height, width[, channels]), in a mode if one is given."""
    import numpy as np
    from PIL import ImageOps

    load(image)
    is_16_bit = image.mode == "I" and image.format in ("PNG", "PPM")
    upright = ImageOps.exif_transpose(image)
    mode = mode or _mode(upright)
    array = np.asarray(upright if mode == upright.mode else upright.convert(mode))
    return array.astype(np.uint16) if is_16_bit else array


def _mode(image: Any) -> str:
    """The mode in which an image is read."""
    wide = image.mode in ("I", "F") or image.mode.startswith("I;16")
    if image.has_transparency_data:
        if wide:
            raise ValueError("a level of it is transparent, which is read from 8-bit pictures only")
        return image.mode if image.mode in ("LA", "RGBA") else "RGBA"
    return image.mode if wide or image.mode in _PLAIN else "RGB"
