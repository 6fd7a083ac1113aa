"""How a value for an input is given, in a sentence."""

from __future__ import annotations

from poedsl.compiler.plan.plan_parts import InputSpec
from poedsl.grammar.types import Sizes, Type

_PICTURE = "a PNG, JPEG, WebP, TIFF, BMP or GIF"


def how(spec: InputSpec) -> str:
    """What is wanted, and how it is written on the command line."""
    name, type_ = spec.name, spec.type
    option = f"`--set {name}="
    match type_.name:
        case "Text":
            return f"it takes text: {option}...`, or {option}@FILE` for what a file holds"
        case "Bool" if not type_.sizes:
            return f"it takes {option}true` or {option}false`"
        case "Region":
            return f"it takes [left, top, right, bottom]: {option}[0, 0, 0.5, 1]`"
        case "Layout":
            part = '[{"box": [0, 0, 0.5, 1], "text": "a horse"}]'
            return f"it takes a .json file such as {part}: {option}@FILE`"
        case "File":
            return f"it takes a file: {option}@FILE`"
        case "Image" | "Depth" | "Mask" | "Video":
            return f"it takes {_pictures(type_)}, or a .npy or .npz file: {option}@FILE`"
        case _:
            return _numbers(option, type_)


def _pictures(type_: Type) -> str:
    films = len(type_.sizes) == 4 or (type_.name in ("Depth", "Mask") and len(type_.sizes) == 3)
    if films:
        frames = "" if type_.sizes[0] is None else f"{type_.sizes[0]} "
        return f"a folder of {frames}frames, a GIF or an .mp4{_by(type_.sizes[-2:])}"
    return _PICTURE + _by(type_.sizes[-2:])


def _by(sizes: Sizes) -> str:
    if None in sizes:
        return ""
    return f" of {sizes[0]} rows and {sizes[1]} columns"


def _numbers(option: str, type_: Type) -> str:
    example = {"Int": "3", "Bool": "true"}.get(type_.name, "0.5")
    noun = {"Int": "whole number", "Bool": "condition"}.get(type_.name, "number")
    if not type_.sizes:
        return f"it takes a {noun}: {option}{example}`"
    files = f"or a .csv, .npy, .npz or .json file: {option}@FILE`"
    if len(type_.sizes) == 1:
        count = "" if type_.sizes[0] is None else f"{type_.sizes[0]} "
        return f"it takes {count}{noun}s: {option}[{example}, ...]`, {files}"
    sizes = " x ".join("_" if s is None else str(s) for s in type_.sizes)
    return f"it takes {sizes} {noun}s: {option}[[{example}, ...], ...]`, {files}"
