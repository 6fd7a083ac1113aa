"""LoRAs that a program names: their files and weights."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

from poedsl.catalog.hub_cache import cached_folder
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError

#: The names that diffusers and peft give to the file of a LoRA.
SAVED_AS = ("pytorch_lora_weights.safetensors", "adapter_model.safetensors")


@dataclass(frozen=True, slots=True)
class Lora:
    """A low-rank adapter (Hu et al., LoRA, 2021), W + weight B A for weight matrices W.

    Attributes:
        path: of its safetensors file. version: modification time and size of that file.
    """

    path: str
    weight: float
    version: tuple[int, int]


def find_loras(expert: str, text: str, base: Path = Path()) -> tuple[Lora, ...]:
    """The LoRAs of an expert.

    Args:
        text: as a program has it, ``"PLACE:WEIGHT, PLACE:WEIGHT"``; a weight that is left out is 1.
            A place is a file, a folder with one LoRA, or the id of a model of the hub, after which
            ``/FILE`` names one of its files.
        base: the folder that paths are relative to.

    Raises:
        PoeError: one is not on this machine (P0701), several are in its folder (P0206), or its
            weight is not finite (P0307).
    """
    return tuple(_lora(expert, part.strip(), base) for part in text.split(","))


def lora_places(text: str) -> tuple[str, ...]:
    """The files, folders or ids of the LoRAs of an expert, without their weights."""
    return tuple(_split(part.strip())[0] for part in text.split(","))


def _lora(expert: str, text: str, base: Path) -> Lora:
    place, weight = _split(text)
    if not math.isfinite(weight):
        message = f"the weight of a LoRA of `{expert}` is finite, and this is {weight}"
        raise PoeError((Diagnostic("P0307", message),))
    path = _file(place, base)
    if path is None:
        message = f'the LoRA "{place}" of `{expert}` is not here'
        hub = "/".join(place.split("/")[:2])
        may_be_id = "/" in place and not hub.endswith(".safetensors")
        notes = (f"`hf download {hub}` fetches one from the hub",) if may_be_id else ()
        form = 'LoRAs are written as "FILE", "FOLDER:0.8" or "FILE:0.8, FOLDER:0.5"'
        raise PoeError((Diagnostic("P0701", message, notes=(*notes, form)),))
    if path.suffix != ".safetensors":
        message = f"`{expert}` cannot use the LoRA {path}: LoRAs are read as safetensors"
        raise PoeError((Diagnostic("P0206", message),))
    stat = path.stat()
    return Lora(str(path.resolve()), weight, (stat.st_mtime_ns, stat.st_size))


def _split(text: str) -> tuple[str, float]:
    place, _, weight = text.rpartition(":")
    try:
        return place.strip(), float(weight)
    except ValueError:
        return text, 1.0


def _file(place: str, base: Path) -> Path | None:
    """The file of a LoRA; None where there is none."""
    if not place:
        return None
    owner, name, inside = (*place.split("/", 2), "", "")[:3]
    cached: Path | None = cached_folder(f"{owner}/{name}")
    places = [base / place, *([cached / inside] if cached else [])]
    for path in places:
        if os.path.isfile(path):
            return path
        if os.path.isdir(path):
            return _only(path)
    return None


def _only(folder: Path) -> Path | None:
    """The one LoRA in a folder.

    Raises:
        PoeError: there are several files, of which none has the name that a library gives (P0206).
    """
    files = sorted(p for p in folder.glob("*.safetensors") if os.path.isfile(p))
    named = [path for path in files if path.name in SAVED_AS]
    if len(files) > 1 and len(named) != 1:
        listed = ", ".join(path.name for path in files)
        message = f"the folder {folder} holds several LoRAs ({listed}): name the file"
        raise PoeError((Diagnostic("P0206", message),))
    return next(iter(named or files), None)
