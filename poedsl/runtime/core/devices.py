"""The devices of this machine by name."""

from __future__ import annotations

import torch

from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError


def find_device(name: str) -> torch.device:
    """The device of a name.

    Raises:
        PoeError: there is no such device on this machine, or it has no double precision.
    """
    devices = {"cpu:0": torch.device("cpu")}
    kind = torch.accelerator.current_accelerator()
    if kind is not None and kind.type != "mps":
        indices = range(torch.accelerator.device_count())
        devices |= {f"{kind.type}:{i}": torch.device(kind.type, i) for i in indices}
    try:
        device = torch.device(str(name))
    except RuntimeError:
        device = None
    full = "" if device is None else f"{device.type}:{device.index or 0}"
    if full in devices:
        return devices[full]
    notes = ["its devices: " + ", ".join(map(str, devices.values()))]
    if device is not None and device.type == "mps":
        notes.insert(0, "log weights are in double precision, which `mps` does not have")
    message = f"there is no device `{name}` on this machine"
    raise PoeError((Diagnostic("P0702", message, notes=tuple(notes)),))
