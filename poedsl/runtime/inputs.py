"""Values for a plan's inputs: from Python objects, text, or files, checked against their types."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from poedsl.compiler.check import FROM_FILES
from poedsl.compiler.functions import shape
from poedsl.compiler.names import near
from poedsl.compiler.plan import Array, InputSpec, PlanSpec
from poedsl.compiler.terms import Const, Value, constant
from poedsl.grammar.diagnostics import Diagnostic, Fix, PoeError
from poedsl.grammar.types import Type, unify

PICTURES = (".png", ".jpg", ".jpeg", ".webp")


def bind(plan: PlanSpec, values: Mapping[str, Any], base: Path | None = None) -> PlanSpec:
    """The plan with values for some of its inputs.

    Args:
        values: by name: numbers, lists, tensors, arrays, PIL images, text; a `pathlib.Path`, or a
            text for types that
            are bound from files, names a file.
        base: the folder that file names are relative to.

    Raises:
        PoeError: with every value that cannot be bound.
    """
    known = {i.name: i for i in plan.inputs}
    problems: list[Diagnostic] = []
    bound = dict(plan.bindings)
    for name, value in values.items():
        if name not in known:
            problems.append(_unknown(name, known))
            continue
        try:
            bound[name] = convert(known[name], value, base)
        except _Unfit as error:
            problems.append(error.diagnostic)
    if problems:
        raise PoeError(tuple(problems))
    return replace(plan, bindings=tuple((n, bound[n]) for n in known if n in bound))


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


class _Unfit(Exception):
    def __init__(self, code: str, message: str, *notes: str) -> None:
        self.diagnostic = Diagnostic(code, message, notes=notes)


def _unknown(name: str, known: Mapping[str, InputSpec]) -> Diagnostic:
    found = near(name, known)
    fixes = () if found is None else (Fix(f"there is an input with a similar name: `{found}`"),)
    listed = ", ".join(f"{i.name} : {i.type}" for i in known.values()) or "none"
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


def convert(spec: InputSpec, value: Any, base: Path | None) -> Value | Array:
    """A value as the plan keeps it: a constant, or an array."""
    if isinstance(value, Path) or (isinstance(value, str) and spec.type.name in FROM_FILES):
        value = read(spec, (base or Path()) / value)
    if hasattr(value, "getbands"):
        value = picture_array(value, spec)
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    if hasattr(value, "__array__") and not isinstance(value, (int, float, bool)):
        return _array(spec, value)
    return _constant(spec, value)


def read(spec: InputSpec, path: Path) -> Any:
    """The content of a file, by its ending."""
    try:
        if path.suffix.lower() in PICTURES:
            from PIL import Image

            with Image.open(path) as image:
                image.load()
                return image
        if path.suffix == ".npy":
            import numpy as np

            return np.load(path, allow_pickle=False)
        if path.suffix == ".csv":
            import numpy as np

            with warnings.catch_warnings():
                warnings.simplefilter("error")
                return np.loadtxt(path, delimiter=",", ndmin=1)
        text = path.read_text(encoding="utf-8")
        return json.loads(text) if path.suffix == ".json" else text
    except FileNotFoundError as error:
        raise _Unfit("P0604", f"the file for `{spec.name}` is not there: {path}") from error
    except (OSError, EOFError, ValueError, SyntaxError, UserWarning) as error:
        reason = str(error) or type(error).__name__
        raise _Unfit(
            "P0604", f"the file for `{spec.name}` cannot be read: {path}", reason.splitlines()[0]
        ) from error


def picture_array(image: Any, spec: InputSpec) -> Any:
    """A PIL image, channel-first in [0, 1]; one channel where the type wants one or is a map."""
    grey = spec.type.name in ("Depth", "Mask") or (
        spec.type.name == "Image" and spec.type.sizes[0] == 1
    )
    pixels = _pixels(image, "L" if grey else "RGB")
    if spec.type.name in ("Depth", "Mask"):
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


def _array(spec: InputSpec, value: Any) -> Array:
    import numpy as np

    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise _Unfit(
            "P0602", f"`{spec.name}` is {spec.type}, and this is an array of {array.dtype}"
        )
    array = np.ascontiguousarray(array, dtype="<f4")
    if not np.isfinite(array).all():
        raise _Unfit("P0602", f"`{spec.name}` has values that are not finite")
    _fit(spec, Type(spec.type.name, tuple(array.shape)))
    return Array("<f4", tuple(array.shape), array.tobytes())


def _constant(spec: InputSpec, value: Any) -> Value | Array:
    try:
        plain = constant(value)
        sizes = shape(plain)
    except ValueError as error:
        raise _Unfit("P0602", f"`{spec.name}` is {spec.type}: {error}") from error
    if not _finite(plain):
        raise _Unfit("P0602", f"`{spec.name}` is {spec.type}, and this is not finite")
    if not _is_a(plain, spec.type.name):
        raise _Unfit("P0602", f"`{spec.name}` is {spec.type}, and this is {_shown(plain)}")
    if spec.type.is_numeric:
        _fit(spec, Type(spec.type.name, sizes))
    if isinstance(plain, tuple) and spec.type.is_numeric:
        import numpy as np

        return _array(spec, np.array(plain))
    return plain


def _finite(value: object) -> bool:
    """Whether all numbers in a constant are finite in single precision."""
    if isinstance(value, tuple):
        return all(map(_finite, value))
    return not isinstance(value, (int, float)) or abs(value) < 3e38


def _is_a(value: object, kind: str) -> bool:
    if isinstance(value, tuple):
        return all(_is_a(v, kind) for v in value)
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


def _fit(spec: InputSpec, given: Type) -> None:
    if unify(spec.type, given) is None:
        sizes = ", ".join(map(str, given.sizes)) or "a single number"
        raise _Unfit("P0603", f"`{spec.name}` is {spec.type}, and this has the shape [{sizes}]")
