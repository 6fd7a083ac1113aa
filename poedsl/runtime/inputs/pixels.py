"""Arrays as pictures and maps: channels first, values in [0, 1], alpha and colours resolved.

The rules are the same for files, PIL images, arrays, tensors and lists; docs/inputs.md states them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from poedsl.grammar.types import Sizes, Type, unify
from poedsl.runtime.inputs.rasters import Raster

#: Types whose values are pictures or one number for each of their pixels.
PIXELS = ("Image", "Video", "Depth", "Mask")
MAPS = ("Depth", "Mask")
#: How far values may be outside of [0, 1].
ROUNDING = 1e-3
#: Channels of pictures: grey; red, green and blue; with alpha.
_CHANNELS = (1, 3, 4)
#: The largest level of an integer type, by its kind and its bytes.
_LARGEST = {("b", 1): 1, ("u", 1): 255, ("u", 2): 65535}
#: Differences between channels up to which a picture is grey, as colours of JPEG differ slightly.
_GREY = 1 / 16
_RANGE = "its values are in [0, 1]: divide levels in 0 to 255 by 255, or give them as uint8"


class UnfitPixels(ValueError):
    """Values that are no picture or map; notes say what is taken."""

    def __init__(self, reason: str, *notes: str) -> None:
        super().__init__(reason)
        self.notes = notes


@dataclass(frozen=True, slots=True)
class _PixelArray:
    """Values with the channels in the last axis; ``alpha`` without that axis, None if opaque.

    Attributes:
        channels: how many the picture has where its type leaves that open.
    """

    colour: Any
    alpha: Any
    channels: int
    remarks: tuple[str, ...] = ()


def is_framed(type_: Type) -> bool:
    """Whether values of a type of pictures or maps have frames."""
    return len(type_.sizes) == (3 if type_.name in MAPS else 4)


def pixels(value: Any, type_: Type) -> tuple[Any, tuple[str, ...]]:
    """A picture or a map in the layout of its type, and the codes of remarks on how it was read.

    Args:
        value: a `Raster`, or an array: ([frames,] channels, height, width), with the channels last,
            or without channels.

    Returns:
        Numbers in single precision; where the value is none of these, they have its shape.

    Raises:
        UnfitPixels: levels of unknown range, transparency of unknown meaning, or values outside of
            [0, 1].
    """
    import numpy as np

    rank = 2 + is_framed(type_)
    block = (
        _of_raster(value, type_, rank)
        if isinstance(value, Raster)
        else _of_array(value, type_, rank)
    )
    if block is None:
        return single(getattr(value, "array", value)), ()
    block = _in_channels(_opaque(_in_fractions(block, type_.name), type_.name), type_)
    is_map = type_.name in MAPS
    array = block.colour[..., 0] if is_map else np.moveaxis(block.colour, -1, -3)
    return single(array), block.remarks


def single(array: Any) -> Any:
    """An array in single precision and C order; what is too large is infinite."""
    import numpy as np

    with np.errstate(over="ignore"):
        return array.astype("<f4", order="C")


def check_range(array: Any) -> None:
    """Raise UnfitPixels for values outside of [0, 1]."""
    if not array.size:
        return
    low, high = float(array.min()), float(array.max())
    if low < -ROUNDING or high > 1 + ROUNDING:
        raise UnfitPixels(f", and this has values from {low:.4g} to {high:.4g}", _RANGE)


# The axes.


def _of_raster(read: Raster, type_: Type, rank: int) -> _PixelArray | None:
    array = read.array
    if array.ndim == rank:
        return _PixelArray(array[..., None], None, 3, read.remarks)
    if array.ndim != rank + 1:
        return None
    if array.shape[-1] == 2 or (array.shape[-1] == 4 and _channels(type_) != 4):
        return _PixelArray(array[..., :-1], array[..., -1], 3, read.remarks)
    return _PixelArray(array, None, 3, read.remarks)


def _of_array(array: Any, type_: Type, rank: int) -> _PixelArray | None:
    """An array with its channels recognised; None where it has no axis that can be them."""
    import numpy as np

    if array.ndim == rank:
        return _PixelArray(array[..., None], None, 3)
    if array.ndim != rank + 1:
        return None
    remarks: tuple[str, ...] = ()
    if _has_channels(array.shape, type_, first=True):
        array = np.moveaxis(array, -3, -1)
    elif _has_channels(array.shape, type_, first=False):
        remarks = ("P1031",)
    else:
        return None
    if array.shape[-1] == 4 and _channels(type_) != 4:
        return _PixelArray(array[..., :3], array[..., 3], 3, remarks)
    return _PixelArray(array, None, array.shape[-1], remarks)


def _has_channels(shape: tuple[int, ...], type_: Type, first: bool) -> bool:
    """Whether an array is a picture or a map of a type, with channels before or after its rows."""
    channels = shape[-3] if first else shape[-1]
    sizes: Sizes = (*shape[:-3], *(shape[-2:] if first else shape[-3:-1]))
    sizes_of_map = type_.sizes if type_.name in MAPS else (*type_.sizes[:-3], *type_.sizes[-2:])
    if channels not in _CHANNELS and channels != _channels(type_):
        return False
    return unify(Type("Depth", sizes_of_map), Type("Depth", sizes)) is not None


def _channels(type_: Type) -> int | None:
    """How many channels a type has; None if that is open."""
    return 1 if type_.name in MAPS else type_.sizes[-3]


# The values.


def _in_fractions(block: _PixelArray, kind: str) -> _PixelArray:
    """Levels divided by the largest of their type."""
    colour = block.colour
    alpha = None if block.alpha is None else _fractions(block.alpha, kind)
    remarks = block.remarks
    if kind != "Mask" and colour.dtype.kind == "u" and colour.max(initial=0) == 1:
        remarks = (*remarks, "P1034")
    return replace(block, colour=_fractions(colour, kind), alpha=alpha, remarks=remarks)


def _fractions(levels: Any, kind: str) -> Any:
    """Numbers in [0, 1]; raises UnfitPixels for others, and for levels of unknown range."""
    import numpy as np

    if levels.dtype.kind == "f":
        values = single(levels)
        if not np.isfinite(values).all():
            raise UnfitPixels(", and this has values that are not finite")
        check_range(values)
        return values
    low, high = int(levels.min(initial=0)), int(levels.max(initial=0))
    largest = _LARGEST.get((levels.dtype.kind, levels.dtype.itemsize))
    if low >= 0 and high <= 1 and (kind == "Mask" or largest is None):
        largest = 1
    if largest is None:
        raise UnfitPixels(
            f", and this has levels of {levels.dtype} from {low} to {high}, whose range is unknown",
            _RANGE,
        )
    return single(levels) / np.float32(largest)


def _opaque(block: _PixelArray, kind: str) -> _PixelArray:
    """The block without its alpha."""
    import numpy as np

    colour, alpha = block.colour, block.alpha
    if alpha is None or bool((alpha >= 1).all()):
        return replace(block, alpha=None)
    alpha = alpha[..., None]
    if kind == "Mask":
        visible = colour[block.alpha > 0]
        if _is_coloured(visible):
            raise UnfitPixels(
                ", and this is transparent in places and has colours, so that it is not known "
                "which of the two is the mask",
                "save the mask alone, in black and white",
            )
        if visible.size and not visible.any():
            raise UnfitPixels(
                ", and this is black where it is not transparent, so that it is zero everywhere",
                "paint the mask in white, or save its alpha channel alone",
            )
        return replace(block, colour=colour * alpha, alpha=None)
    if kind == "Depth":
        raise UnfitPixels(
            ", and this is transparent in places, which have no depth",
            "save it without transparency",
        )
    over = colour * alpha + (1 - alpha)
    return replace(
        block, colour=over.astype(np.float32), alpha=None, remarks=(*block.remarks, "P1030")
    )


def _in_channels(block: _PixelArray, type_: Type) -> _PixelArray:
    """The block with as many channels as its type has: grey repeated, colours as their luma."""
    import numpy as np

    colour, count = block.colour, block.colour.shape[-1]
    channels = _channels(type_) or block.channels
    if channels == 1 and count == 3:
        red, green, blue = (colour[..., k] for k in range(3))
        luma = np.float32(0.299) * red + np.float32(0.587) * green + np.float32(0.114) * blue
        grey = np.where((red == green) & (green == blue), red, luma)
        remarks = block.remarks
        if type_.name in MAPS and _is_coloured(colour):
            remarks = (*remarks, "P1032")
        return replace(block, colour=grey[..., None], remarks=remarks)
    if channels == 3 and count == 1:
        return replace(block, colour=np.repeat(colour, 3, axis=-1))
    return block


def _is_coloured(colour: Any) -> bool:
    """Whether channels, the last axis, differ by more than those of a grey picture."""
    spread = colour.max(axis=-1) - colour.min(axis=-1)
    return bool((spread > _GREY).any())
