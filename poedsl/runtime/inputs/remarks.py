"""Warnings of a run about the values of its inputs."""

from __future__ import annotations

from typing import Any

from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.plan_parts import Array
from poedsl.runtime.core.warnings import WarningLog

#: What each remark says, after the name of the input.
REMARKS: dict[str, str] = {
    "P1030": "is transparent in places, and was put over white",
    "P1031": "is an array with the channels last, and was read as height x width x channels",
    "P1032": "has colours, whose luma was read; a map has one number for each pixel",
    "P1033": "comes from a file with several pictures, of which one was read",
    "P1034": "has no levels but 0 and 1 of its integer type, and is nearly black; "
    "for black and white give booleans or floating-point numbers",
    "P1035": "is damaged, as the library that read it warns; what is left was taken",
    "P1036": "is a film whose frames are not at even times, and was read frame by frame; "
    "`frames_of(file, fps = ...)` reads it at even times",
}

#: What is said of masks that have one value everywhere.
CONSTANT_MASKS = {0.0: "all zero: it has no effect", 1.0: "all one: it masks nothing"}


def warn_of_inputs(plan: PlanSpec, warnings: WarningLog) -> None:
    """Warn of how the bound pictures and maps were read."""
    for name, value in plan.bindings:
        for code in value.remarks if isinstance(value, Array) else ():
            warnings.add(code, f"the input `{name}` {REMARKS[code]}", input=name)


def warn_of_constant_masks(plan: PlanSpec, warnings: WarningLog) -> None:
    """Warn of bound masks that are the same everywhere, if no expert was warned of yet."""
    import numpy as np

    if "P1010" in warnings:
        return
    masks = {i.name for i in plan.inputs if i.type.name == "Mask"}
    for name, value in plan.bindings:
        if name not in masks or not isinstance(value, Array):
            continue
        warn_of_mask(
            warnings, f"the input `{name}`", np.frombuffer(value.data, value.dtype), input=name
        )


def warn_of_mask(warnings: WarningLog, subject: str, mask: Any, **data: Any) -> None:
    """Warn (P1010), once of each subject, of an array or a tensor that is all zero or all one.

    Args:
        data: of the warning.
    """
    for value, text in CONSTANT_MASKS.items():
        if bool((mask == value).all()):
            message = f"{subject} is a mask that is {text}"
            warnings.add("P1010", message, once=message, **data, value=value)
            return
