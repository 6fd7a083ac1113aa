"""Values for a plan's inputs: from Python objects, text, or files, checked against their types."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from poedsl.compiler.functions.constants import shape
from poedsl.compiler.names.suggestions import similar_name
from poedsl.compiler.plan.plan import Array, InputSpec, PlanSpec
from poedsl.compiler.plan.terms import Const, constant
from poedsl.grammar.boxes import Box
from poedsl.grammar.diagnostics import Diagnostic, Fix
from poedsl.grammar.errors import PoeError
from poedsl.grammar.types import FROM_FILES, Type, unify
from poedsl.runtime.inputs import files
from poedsl.runtime.inputs.hints import how
from poedsl.runtime.inputs.layouts import Layout, read_box, read_layout

#: Types whose values are pictures or one number for each of their pixels.
PIXELS = ("Image", "Video", "Depth", "Mask")
#: How far they may be outside of [0, 1], but for masks, which are exponents.
ROUNDING = 1e-3
_LEVELS = "its values are in [0, 1]: divide levels in 0 to 255 by 255, or give them as uint8"


def bind(plan: PlanSpec, values: Mapping[str, Any], base: Path | None = None) -> PlanSpec:
    """The plan with values for some of its inputs.

    Args:
        values: by name: numbers, lists, tensors, arrays, PIL images, text, layouts as lists of
            records; a `pathlib.Path`, or a text for types that are bound from files, names a file
            or a folder of frames.
        base: the folder that file names are relative to.

    Raises:
        PoeError: with every value that cannot be bound.
    """
    specs = {i.name: i for i in plan.inputs}
    problems: list[Diagnostic] = []
    bound = dict(plan.bindings)
    for name, value in values.items():
        if name not in specs:
            problems.append(_unknown(name, specs))
            continue
        try:
            bound[name] = convert(specs[name], value, base)
        except _Unfit as error:
            problems.append(error.diagnostic)
    if problems:
        raise PoeError(tuple(problems))
    return replace(plan, bindings=tuple((n, bound[n]) for n in specs if n in bound))


def bind_defaults(plan: PlanSpec, base: Path | None = None) -> PlanSpec:
    """The plan with every input bound: those that are not yet take their defaults.

    Raises:
        PoeError: with every input that has neither.
    """
    bound = dict(plan.bindings)
    defaults = {
        i.name: i.default.value
        for i in plan.inputs
        if i.name not in bound and isinstance(i.default, Const)
    }
    missing = [i for i in plan.inputs if i.name not in bound and i.name not in defaults]
    if missing:
        raise PoeError(tuple(_unbound(i) for i in missing))
    return bind(plan, defaults, base)


def rebound(plan: PlanSpec) -> PlanSpec:
    """The plan, its bindings held to the types of its inputs; no file is read.

    Raises:
        PoeError: with every binding that is not what `bind` makes of a value.
    """
    specs = {i.name: i for i in plan.inputs}
    problems: list[str] = []
    for name, value in plan.bindings:
        spec = specs[name]
        try:
            if _rebound(spec, value) != value:
                problems.append(f"at `bindings.{name}`, this is no value of `{name} : {spec.type}`")
        except _Unfit as error:
            problems.append(f"at `bindings.{name}`, {error.diagnostic.message}")
    if problems:
        raise PoeError(tuple(Diagnostic("P0606", problem) for problem in problems))
    return plan


def _rebound(spec: InputSpec, value: Any) -> Any:
    """A value as `bind` would keep it."""
    if isinstance(value, Array):
        import numpy as np

        if 4 * math.prod(value.shape) != len(value.data):
            return None
        return _array(spec, np.frombuffer(value.data, "<f4").reshape(value.shape))
    if spec.type.name == "File":
        return value if isinstance(value, str) else None
    if spec.type.name in ("Layout", "Region"):
        return _regions(spec, value)
    if isinstance(value, str) and spec.type.name in FROM_FILES:
        return None
    return _constant(spec, value)


class _Unfit(Exception):
    """A value that an input does not take."""

    def __init__(self, code: str, message: str, *notes: str) -> None:
        self.diagnostic = Diagnostic(code, message, notes=notes)


def _wrong(spec: InputSpec, reason: str, *notes: str) -> _Unfit:
    return _Unfit("P0602", f"`{spec.name}` is {spec.type}{reason}", *notes, how(spec))


def _unknown(name: str, specs: Mapping[str, InputSpec]) -> Diagnostic:
    similar = similar_name(name, specs)
    fixes = () if similar is None else (Fix(f"there is an input with a similar name: `{similar}`"),)
    listed = ", ".join(f"{i.name} : {i.type}" for i in specs.values()) or "none"
    return Diagnostic(
        "P0605", f"the program has no input `{name}`", notes=(f"its inputs: {listed}",), fixes=fixes
    )


def _unbound(spec: InputSpec) -> Diagnostic:
    how = f"--set {spec.name}=@FILE" if spec.type.name in FROM_FILES else f"--set {spec.name}=VALUE"
    where = {
        "declared": "declared",
        "inferred": "a name without a declaration",
        "ambient": "taken from the surroundings by an expert",
    }
    return Diagnostic(
        "P0601",
        f"the input `{spec.name} : {spec.type}` has no value",
        notes=(
            f"{where[spec.origin]} at {spec.place}",
            f"give it one with `{how}`, or in Python with `plan.bind({spec.name}=...)`",
        ),
    )


def convert(spec: InputSpec, value: Any, base: Path | None) -> Any:
    """A value as the plan keeps it: a constant, or an array."""
    kind = spec.type.name
    if kind == "File":
        return _file(spec, value, base)
    if isinstance(value, Path) or (isinstance(value, str) and kind in FROM_FILES):
        value = read(spec, (base or Path()) / value)
    if hasattr(value, "getbands"):
        value = files.picture(value, kind, _channels(spec.type))
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    if kind in ("Layout", "Region"):
        return _regions(spec, value)
    if hasattr(value, "__array__") and not isinstance(value, (int, float, bool)):
        return _array(spec, value)
    return _constant(spec, value)


def read(spec: InputSpec, path: Path) -> Any:
    """The content of a file, by its ending."""
    if path.is_dir() and spec.type.name not in ("Video", "Depth", "Mask"):
        raise _Unfit("P0604", f"the file for `{spec.name}` is a folder: {path}", how(spec))
    try:
        return files.read(path, spec.type.name, _channels(spec.type))
    except FileNotFoundError as error:
        message = f"the file for `{spec.name}` is not there: {path}"
        raise _Unfit("P0604", message, how(spec)) from error
    except files.Unreadable as error:
        message = f"the file for `{spec.name}` cannot be read: {path}"
        raise _Unfit("P0604", message, str(error), *error.notes) from error


def _channels(type_: Type) -> int | None:
    return type_.sizes[-3] if type_.name in ("Image", "Video") else None


def _file(spec: InputSpec, value: Any, base: Path | None) -> str:
    """The path of a file; a relative one is relative to ``base``."""
    if not isinstance(value, (str, Path)):
        raise _wrong(spec, f", and this is {_shown(value)}")
    path = (base or Path()) / value
    if not path.exists():
        message = f"the file for `{spec.name}` is not there: {path}"
        raise _Unfit("P0604", message, how(spec))
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
    import numpy as np

    array = np.asarray(value)
    if array.dtype.kind not in "fiub" or spec.type.name not in (*PIXELS, "Real", "Int", "Bool"):
        raise _wrong(spec, f", and this is an array of {array.dtype}")
    levels = spec.type.name in PIXELS and array.dtype == np.uint8 and array.max(initial=0) > 1
    array = np.ascontiguousarray(array, dtype="<f4")
    if levels:
        array = array / np.float32(255)
    if not np.isfinite(array).all():
        raise _wrong(spec, ", and this has values that are not finite")
    if spec.type.name == "Int" and (array != np.round(array)).any():
        raise _wrong(spec, ", and this has values that are not whole numbers")
    if spec.type.name == "Bool" and not np.isin(array, (0, 1)).all():
        raise _wrong(spec, ", and this has values that are neither true nor false")
    array = _vector(spec.type, array)
    _fit(spec, Type(spec.type.name, tuple(array.shape)))
    if spec.type.name in ("Image", "Video", "Depth") and array.size:
        low, high = float(array.min()), float(array.max())
        if low < -ROUNDING or high > 1 + ROUNDING:
            raise _wrong(spec, f", and this has values from {low:.4g} to {high:.4g}", _LEVELS)
    return Array("<f4", tuple(array.shape), array.tobytes())


def _vector(type_: Type, array: Any) -> Any:
    """A column or a row as a vector, and one number alone as a number, where that is wanted."""
    rank = len(type_.sizes)
    alone = all(size == 1 for size in array.shape) if rank == 0 else 1 in array.shape
    if type_.name in ("Real", "Int", "Bool") and rank < 2 and array.ndim in (1, 2) and alone:
        return array.reshape(-1)[0] if rank == 0 else array.reshape(-1)
    return array


def _constant(spec: InputSpec, value: Any) -> Any:
    try:
        plain = constant(value)
        sizes = shape(plain)
    except ValueError as error:
        raise _wrong(spec, f": {error}") from error
    if not _finite(plain):
        raise _wrong(spec, ", and this is not finite")
    if not _is_a(plain, spec.type.name):
        raise _wrong(spec, f", and this is {_shown(plain)}")
    if isinstance(plain, tuple) and spec.type.is_numeric:
        import numpy as np

        return _array(spec, np.array(plain))
    if spec.type.is_numeric:
        _fit(spec, Type(spec.type.name, sizes))
    return plain


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
        case _:
            return isinstance(value, (int, float)) and not isinstance(value, bool)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) < 40 else text[:37] + "..."


def _fit(spec: InputSpec, type_: Type) -> None:
    if unify(spec.type, type_) is None:
        sizes = ", ".join(map(str, type_.sizes))
        actual = f"this has the shape [{sizes}]" if sizes else "this is a single number"
        raise _Unfit("P0603", f"`{spec.name}` is {spec.type}, and {actual}", how(spec))
