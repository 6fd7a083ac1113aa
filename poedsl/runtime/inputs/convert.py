"""One value for one input: from Python objects, text or files to what a plan keeps."""

from __future__ import annotations

import math
import reprlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from poedsl.compiler.functions.constants import shape
from poedsl.compiler.plan.plan_parts import Array, InputSpec
from poedsl.compiler.plan.terms import constant
from poedsl.grammar.box_geometry import Box
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError
from poedsl.grammar.types import FROM_FILES, MOST_SIZES, Type, unify
from poedsl.runtime.inputs import files
from poedsl.runtime.inputs.columns import UnfitColumn
from poedsl.runtime.inputs.frames import untabled
from poedsl.runtime.inputs.hints import how
from poedsl.runtime.inputs.layouts import Layout, is_unicode, read_box, read_layout
from poedsl.runtime.inputs.lists import first, first_place, indices, is_missing, uneven
from poedsl.runtime.inputs.pixels import PIXELS, UnfitPixels, check_range, is_framed, pixels, single
from poedsl.runtime.inputs.rasters import Raster, is_picture, noting_damage, raster, stacked

#: Whole numbers up to this are exact in single precision.
_EXACT = 2**24
#: A single whole number up to this is exact in double precision.
_EXACT_ALONE = 2**53


class UnfitValue(Exception):
    """A value that an input does not take.

    Attributes:
        table: the table that the message names, if it does.
    """

    def __init__(self, code: str, message: str, *notes: str, table: str = "") -> None:
        self.diagnostic, self.table = Diagnostic(code, message, notes=notes), table


def _wrong(spec: InputSpec, reason: str, *notes: str) -> UnfitValue:
    return UnfitValue("P0602", f"`{spec.name}` is {spec.type}{reason}", *notes, how(spec))


def convert(spec: InputSpec, value: Any, base: Path | None) -> Any:
    """A value as the plan keeps it: a constant, or an array.

    Args:
        base: the folder that file names are relative to.

    Raises:
        UnfitValue: the input does not take it.
    """
    kind = spec.type.name
    if kind == "File":
        return _file(spec, value, base)
    if isinstance(value, Path) or (isinstance(value, str) and kind in FROM_FILES):
        value = _read(spec, (base or Path()) / value)
    try:
        value = _plain(spec, untabled(value, spec))
    except UnfitColumn as error:
        message = f"`{spec.name}`: {error}"
        raise UnfitValue(error.code, message, *error.notes, table=error.table) from error
    except UnfitPixels as error:
        raise _wrong(spec, str(error), *error.notes) from error
    except PoeError:
        raise
    # Images, tensors and arrays are read by their libraries, which raise what they like.
    except Exception as error:
        raise _wrong(spec, f", and this cannot be read: {files.reason(error)}") from error
    if kind in ("Layout", "Region"):
        return _regions(spec, value)
    if isinstance(value, Raster) or hasattr(value, "__array__"):
        return _array(spec, value)
    return _constant(spec, value)


def kept(spec: InputSpec, value: Any) -> Any:
    """A value of a plan as `convert` would keep it; None if it is none of the input's.

    Raises:
        UnfitValue: the input does not take it.
    """
    if isinstance(value, Array):
        import numpy as np

        kind = np.dtype(value.dtype)
        if kind.itemsize * math.prod(value.shape) != len(value.data):
            return None
        array = np.frombuffer(value.data, kind).reshape(value.shape)
        return replace(_checked(spec, array), remarks=value.remarks)
    if spec.type.name == "File":
        return value if isinstance(value, str) else None
    if spec.type.name in ("Layout", "Region"):
        return _regions(spec, value)
    if isinstance(value, str) and spec.type.name in FROM_FILES:
        return None
    return _constant(spec, value)


def _read(spec: InputSpec, path: Path) -> Any:
    """The content of a file or a folder."""
    try:
        return files.read(path, spec)
    except UnfitColumn as error:
        raise UnfitValue(error.code, f"`{spec.name}`: {error}", *error.notes) from error
    except FileNotFoundError as error:
        message = f"the file for `{spec.name}` is not there: {path}"
        raise UnfitValue("P0604", message, how(spec)) from error
    except files.UnreadableFile as error:
        message = f"the file for `{spec.name}` cannot be read: {path}"
        raise UnfitValue("P0604", message, str(error), *error.notes) from error


def _plain(spec: InputSpec, value: Any) -> Any:
    """Pictures as rasters, tensors and what converts to arrays as NumPy arrays."""
    if is_picture(value) or _are_pictures(value):
        framed = spec.type.name in PIXELS and is_framed(spec.type)
        with noting_damage() as remarks:
            read = raster(value, framed) if is_picture(value) else stacked(value)
        return replace(read, remarks=(*read.remarks, *remarks))
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = (value.double() if value.dtype.is_floating_point else value).numpy()
    if hasattr(value, "__array__") and not isinstance(value, (int, float, bool)):
        import numpy as np

        if np.ma.is_masked(value):
            raise UnfitPixels(", and this has masked values")
        value = np.asarray(value)
    return value


def _are_pictures(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and bool(value) and all(map(is_picture, value))


def _file(spec: InputSpec, value: Any, base: Path | None) -> str:
    """The path of a file; a relative one is relative to ``base``."""
    if not isinstance(value, (str, Path)):
        raise _wrong(spec, f", and this is {_shown(value)}")
    path = (base or Path()) / value
    try:
        there = path.exists()
    except OSError as error:
        raise UnfitValue("P0604", f"the file for `{spec.name}` cannot be read: {error}") from error
    if not there:
        message = f"the file for `{spec.name}` is not there: {path}"
        raise UnfitValue("P0604", message, how(spec))
    return str(value) if base not in (None, Path()) else str(path.resolve())


def _regions(spec: InputSpec, value: Any) -> Layout | Box:
    """A layout, or four fractions."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    try:
        return read_layout(value) if spec.type.name == "Layout" else read_box(value)
    except ValueError as error:
        reason = f": {error}" if spec.type.name == "Layout" else f"; it {error}"
        raise _wrong(spec, reason) from error


def _array(spec: InputSpec, value: Any) -> Array:
    """A raster or an array as the plan keeps it."""
    read = getattr(value, "array", value)
    kind = spec.type.name
    if read.dtype.kind not in "fiub" or kind not in (*PIXELS, "Real", "Int", "Bool"):
        raise _wrong(spec, f", and this is an array of {read.dtype}")
    if kind not in PIXELS and not isinstance(value, Raster):
        return _checked(spec, _vector(spec.type, value))
    shown_as = spec.type if kind in PIXELS else Type("Image", spec.type.sizes)
    if len(shown_as.sizes) < 2 or (kind not in PIXELS and len(shown_as.sizes) != 3):
        raise _wrong(spec, ", and this is a picture")
    try:
        array, remarks = pixels(value, shown_as)
    except UnfitPixels as error:
        raise _wrong(spec, str(error), *error.notes) from error
    return replace(_checked(spec, array), remarks=remarks)


def _checked(spec: InputSpec, values: Any) -> Array:
    """An array in the layout of its type, its numbers and its shape checked."""
    import numpy as np

    array = single(values)
    if not np.isfinite(array).all():
        raise _wrong(
            spec, f", and this has values that are not finite{first_place(~np.isfinite(array))}"
        )
    if spec.type.name == "Int" and (values != np.round(values)).any():
        odd = first_place(values != np.round(values))
        raise _wrong(spec, f", and this has values that are not whole numbers{odd}")
    if spec.type.name == "Int" and (np.abs(values.astype(float)) > _EXACT).any():
        raise _wrong(spec, f", and this has values beyond {_EXACT}, which arrays do not hold")
    if spec.type.name == "Bool" and not np.isin(array, (0, 1)).all():
        raise _wrong(spec, ", and this has values that are neither true nor false")
    _fit(spec, Type(spec.type.name, tuple(array.shape)))
    if spec.type.name in PIXELS:
        try:
            check_range(array)
        except UnfitPixels as error:
            raise _wrong(spec, str(error), *error.notes) from error
    if spec.type.name == "Real" and (array != values).any():
        array = values.astype("<f8", order="C")
    return Array(array.dtype.str, tuple(array.shape), array.tobytes())


def _vector(type_: Type, array: Any) -> Any:
    """A column or a row as a vector, and one number alone as a number, where that is wanted."""
    rank = len(type_.sizes)
    alone = all(size == 1 for size in array.shape) if rank == 0 else 1 in array.shape
    if rank < 2 and array.ndim in (1, 2) and alone:
        return array.reshape(()) if rank == 0 else array.reshape(-1)
    return array


def _sizes_of_no_rows(type_: Type) -> tuple[int, ...]:
    """The sizes of an empty list, which has no rows of the size that a matrix has."""
    return (0, *(size or 0 for size in type_.sizes[1:]))


def _constant(spec: InputSpec, value: Any) -> Any:
    plain: Any = None
    try:
        plain = constant(value)
        sizes = shape(plain)
    except ValueError as error:
        raise _wrong(spec, f": {uneven(plain) or error}") from error
    except RecursionError as error:
        raise _wrong(spec, ", and this is nested too deeply") from error
    if len(sizes) > MOST_SIZES:
        raise _wrong(spec, f", and this has more than {MOST_SIZES} dimensions")
    if isinstance(plain, tuple) and spec.type.is_numeric:
        _refuse_items(spec, plain)
    if not _finite(plain):
        raise _wrong(spec, ", and this is not finite")
    if not _is_a(plain, spec.type.name):
        raise _wrong(spec, f", and this is {_shown(plain)}")
    if isinstance(plain, int) and abs(plain) > _EXACT_ALONE:
        raise _wrong(spec, f", and this is beyond {_EXACT_ALONE}, up to which numbers are exact")
    if isinstance(plain, str) and not is_unicode(plain):
        raise _wrong(spec, ", and this has half of a surrogate pair")
    if isinstance(plain, tuple) and spec.type.is_numeric:
        import numpy as np

        try:
            array = np.array(plain)
            return _checked(spec, array if plain else array.reshape(_sizes_of_no_rows(spec.type)))
        except (ValueError, OverflowError) as error:
            raise _wrong(spec, f": {files.reason(error)}") from error
    if spec.type.is_numeric:
        _fit(spec, Type(spec.type.name, sizes))
    return plain


def _refuse_items(spec: InputSpec, plain: Any) -> None:
    """Refuse lists with a value that is missing or of another type, and say which it is."""
    if (unfit := first(plain, is_missing)) is not None:
        place = f"`{spec.name}{indices(unfit[0])}`"
        raise UnfitValue("P0608", f"{place} is missing: it is {_shown(unfit[1])}", how(spec))
    if (unfit := first(plain, lambda v: not _is_a(v, spec.type.name))) is not None:
        place = f"`{spec.name}{indices(unfit[0])}`"
        raise _wrong(spec, f", and {place} is {_shown(unfit[1])}")


def _finite(value: object) -> bool:
    """Whether all numbers in a constant are finite in single precision."""
    if isinstance(value, tuple):
        return all(map(_finite, value))
    return not isinstance(value, (int, float)) or abs(value) < 3e38


def _is_a(value: object, kind: str) -> bool:
    if isinstance(value, tuple):
        return kind != "Text" and all(_is_a(v, kind) for v in value)
    match kind:
        case "Text":
            return isinstance(value, str)
        case "Bool":
            return isinstance(value, bool)
        case "Int":
            return isinstance(value, int) and not isinstance(value, bool)
        case "Mask":
            return isinstance(value, (int, float))
        case _:
            return isinstance(value, (int, float)) and not isinstance(value, bool)


def _shown(value: object) -> str:
    text = reprlib.repr(value)
    return text if len(text) < 40 else text[:37] + "..."


def _fit(spec: InputSpec, type_: Type) -> None:
    if unify(spec.type, type_) is None:
        sizes = ", ".join(map(str, type_.sizes))
        actual = f"this has the shape [{sizes}]" if sizes else "this is a single number"
        raise UnfitValue("P0603", f"`{spec.name}` is {spec.type}, and {actual}", how(spec))
