"""Functions of pictures and regions; they have no values at constants."""

from __future__ import annotations

from poedsl.compiler.functions.function import (
    ArgumentError,
    ArgumentType,
    Function,
    FunctionParameter,
    parameters,
)
from poedsl.compiler.functions.result_types import (
    single_numbers,
)
from poedsl.grammar.box_geometry import as_box, pixel_range
from poedsl.grammar.types import Type

_PIXELS = "this looks like pixels: divide left and right by the width, top and bottom by the height"


def _box_type(
    left: ArgumentType, top: ArgumentType, right: ArgumentType, bottom: ArgumentType
) -> Type:
    sides = single_numbers(left, top, right, bottom)
    if sides is None:
        raise ArgumentError("its sides are single numbers known when the program is compiled")
    if as_box(sides) is None:
        raise ArgumentError(
            "its sides are left, top, right and bottom in fractions of width and height: "
            "0 <= left < right <= 1 and 0 <= top < bottom <= 1",
            "P0306",
            *((_PIXELS,) if max(sides) > 1 and min(sides) >= 0 else ()),
        )
    return Type("Region")


def _frames_type(start: ArgumentType, stop: ArgumentType) -> Type:
    ends = single_numbers(start, stop)
    assert ends is not None
    if not 0 <= ends[0] < ends[1]:
        raise ArgumentError("it goes from a frame to before another: 0 <= start < stop")
    return Type("Region")


def _blur_type(x: ArgumentType, radius: ArgumentType) -> Type:
    if isinstance(radius.value, (int, float)) and radius.value < 0:
        raise ArgumentError(f"its radius is at least 0, and this is {radius.value}")
    return x.type


def _resize_type(x: ArgumentType, height: ArgumentType, width: ArgumentType) -> Type:
    sizes = tuple(a.value for a in (height, width) if isinstance(a.value, int))
    if min(sizes) < 1:
        raise ArgumentError("a height and a width are at least 1")
    return Type(x.type.name, (*x.type.sizes[:-2], *sizes))


def _grey_type(x: ArgumentType) -> Type:
    sizes = x.type.sizes
    if len(sizes) < 3 or x.type.name in ("Depth", "Mask"):
        raise ArgumentError(f"it takes an image or a video, and this is {x.type}", "P0302")
    if sizes[-3] not in (None, 1, 3):
        raise ArgumentError(f"it takes 1 or 3 channels, and this has {sizes[-3]}", "P0303")
    return Type(x.type.name, (*sizes[:-3], 1, *sizes[-2:]))


def crop_type(x: ArgumentType, region: ArgumentType) -> Type:
    """A region cut out; its sizes are open where the region is not known."""
    sizes = x.type.sizes
    match region.value:
        case (int(start), int(stop)):
            if x.type.name not in ("Video", "Depth", "Mask") or len(sizes) < 3:
                raise ArgumentError(f"frames are of a video, and this is {x.type}", "P0305")
            if sizes[0] is not None and stop > sizes[0]:
                raise ArgumentError(
                    f"the video has {sizes[0]} frames, and these are {start} to before {stop}",
                    "P0305",
                )
            return Type(x.type.name, (stop - start, *sizes[1:]))
        case (float() | int() as left, float() | int() as top, float() | int() as right, bottom):
            assert isinstance(bottom, (float, int))
            cut = (_pixel_count(sizes[-2], top, bottom), _pixel_count(sizes[-1], left, right))
            if 0 in cut:
                raise ArgumentError(f"this box holds no pixel of {x.type}", "P0305")
            return Type(x.type.name, (*sizes[:-2], *cut))
        case _:
            return Type(x.type.name, (*sizes[:-2], None, None))


def _pixel_count(size: int | None, first: float, last: float) -> int | None:
    """How many of ``size`` pixels lie between two fractions."""
    if size is None:
        return None
    start, stop = pixel_range(size, first, last)
    return stop - start


_PICTURE = FunctionParameter("x", "picture")


PICTURES = (
    Function(
        "box",
        parameters("left", "top", "right", "bottom"),
        _box_type,
        "a region of a picture, in fractions of width and height",
        "box(0, 0, 0.5, 1)",
    ),
    Function(
        "frames",
        parameters("start", "stop", takes="whole number"),
        _frames_type,
        "a region of a video, from a frame to before another",
        "frames(0, 16)",
    ),
    Function(
        "crop",
        (_PICTURE, FunctionParameter("region", "region")),
        crop_type,
        "what lies in a region: `crop(x, r)` is `x[r]`",
        "crop(depth, box(0, 0, 0.5, 1))",
    ),
    Function(
        "blur",
        (_PICTURE, FunctionParameter("radius", "number")),
        _blur_type,
        "Gaussian blur with a standard deviation in pixels; the edges go on outside",
        "blur(mask, radius = 8)",
    ),
    Function(
        "resize",
        (_PICTURE, *parameters("height", "width", takes="whole number")),
        _resize_type,
        "the same at another size: bilinear, smoothed where it shrinks",
        "resize(image, height = 64, width = 96)",
    ),
    Function(
        "grey",
        (_PICTURE,),
        _grey_type,
        "one channel, the luma of ITU-R 601: 0.299 red + 0.587 green + 0.114 blue",
        "grey(image)",
    ),
)
