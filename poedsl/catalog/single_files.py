"""Models of diffusers in a single file, in the layouts of their first releases.

Such a file holds weights alone. The configurations of the networks, the tokenizers and the
scheduler are those of a folder of diffusers.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from poedsl.catalog.hub_cache import cached_folder
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError
from poedsl.grammar.program_files import is_file

ENDING = ".safetensors"
#: What the names of a network's weights begin with where a file holds several networks.
DENOISER = "model.diffusion_model."
_INDEX = "model_index.json"
#: Bytes of the largest header that is read; that of safetensors itself.
_HEADER = 100_000_000
#: The files of a folder without its weights.
_WITHOUT_WEIGHTS = "--include '*.json' '*.txt' '*.model'"


@dataclass(frozen=True, slots=True)
class SingleFileFormat:
    """Which model a file holds.

    Attributes:
        name: of the model, for messages. ids: of the hub, whose folders have its configurations.
    """

    name: str
    ids: tuple[str, ...]


_SD = SingleFileFormat("Stable Diffusion 1", ("stable-diffusion-v1-5/stable-diffusion-v1-5",))
_SD_FILL = SingleFileFormat(
    "Stable Diffusion 1 for inpainting", ("stable-diffusion-v1-5/stable-diffusion-inpainting",)
)
_SD2 = SingleFileFormat(
    "Stable Diffusion 2",
    ("stabilityai/stable-diffusion-2-1", "stabilityai/stable-diffusion-2-1-base"),
)
_SD2_FILL = SingleFileFormat(
    "Stable Diffusion 2 for inpainting", ("stabilityai/stable-diffusion-2-inpainting",)
)
_SDXL = SingleFileFormat("Stable Diffusion XL", ("stabilityai/stable-diffusion-xl-base-1.0",))
_SDXL_FILL = SingleFileFormat(
    "Stable Diffusion XL for inpainting", ("diffusers/stable-diffusion-xl-1.0-inpainting-0.1",)
)
_FLUX = SingleFileFormat(
    "FLUX.1 [dev]",
    ("black-forest-labs/FLUX.1-dev", "black-forest-labs/FLUX.1-Kontext-dev"),
)
_FLUX_SCHNELL = SingleFileFormat("FLUX.1 [schnell]", ("black-forest-labs/FLUX.1-schnell",))
_FLUX_FILL = SingleFileFormat("FLUX.1 Fill", ("black-forest-labs/FLUX.1-Fill-dev",))
_FLUX_CONTROL = SingleFileFormat(
    "FLUX.1 Depth or Canny",
    ("black-forest-labs/FLUX.1-Depth-dev", "black-forest-labs/FLUX.1-Canny-dev"),
)
#: The width of the text encoder of Stable Diffusion 2.
_SD2_WIDTH = 1024
#: Layouts of FLUX.1 by the channels of what the transformer takes, packed two by two.
_FLUX_BY_CHANNELS = {128: _FLUX_CONTROL, 384: _FLUX_FILL}


def layout(path: Path) -> SingleFileFormat | None:
    """Which model a file holds, by the names and sizes of its weights; None for another."""
    shapes = {name.removeprefix(DENOISER): shape for name, shape in weight_shapes(path).items()}
    first = shapes.get("input_blocks.0.0.weight")
    if first is not None:
        fills = len(first) > 1 and first[1] == 9
        if any(name.startswith("conditioner.embedders.1.") for name in shapes):
            return _SDXL_FILL if fills else _SDXL
        keys = (s for name, s in shapes.items() if name.endswith("attn2.to_k.weight"))
        if any(shape and shape[-1] == _SD2_WIDTH for shape in keys):
            return _SD2_FILL if fills else _SD2
        return _SD_FILL if fills else _SD
    if "double_blocks.0.img_attn.norm.key_norm.scale" in shapes:
        taken = shapes.get("img_in.weight", ())
        guided = any(name.startswith("guidance_in.") for name in shapes)
        by_channels = _FLUX_BY_CHANNELS.get(taken[1]) if len(taken) > 1 else None
        return by_channels or (_FLUX if guided else _FLUX_SCHNELL)
    return None


def weight_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The names and shapes of the weights in a safetensors file; none where it cannot be read."""
    try:
        stat = path.stat()
        return _shapes(str(path), stat.st_mtime_ns, stat.st_size)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


@lru_cache(maxsize=16)
def _shapes(path: str, modified: int, size: int) -> dict[str, tuple[int, ...]]:
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > min(size, _HEADER):
            raise ValueError("it has no header of safetensors")
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return {name: tuple(entry["shape"]) for name, entry in header.items()}


def single_file(model: str, base: Path = Path()) -> Path | None:
    """The file that is a model: a path, or one in a model of the hub that was downloaded, as
    ``owner/name/FILE``; None where there is none, or its layout is unknown.

    Args:
        base: the folder that paths are relative to.
    """
    if not model.endswith(ENDING):
        return None
    path = base / model
    if not is_file(path) and model.count("/") > 1:
        owner, name, inside = model.split("/", 2)
        cached = cached_folder(f"{owner}/{name}")
        path = path if cached is None else cached / inside
    # A file of the hub's cache is a link to one without an ending, away from its folder.
    path = Path(os.path.abspath(path))
    return path if is_file(path) and layout(path) is not None else None


def configurations(model: str | Path) -> Path:
    """The folder with the configurations of a model: its own, and for a single file the first of

    1. the folder beside it with its name without the ending, and ``config/``,
    2. the folder that it is in,
    3. that of the model whose layout it has, in the local cache of the hub.

    Raises:
        PoeError: there is none (P0206).
    """
    path = Path(model)
    if not is_file(path) or path.suffix != ENDING:
        return path
    layout_of_file = layout(path)
    ids = () if layout_of_file is None else layout_of_file.ids
    beside = (path.with_suffix(""), path.parent / "config", path.parent)
    places = (*beside, *(folder for i in ids if (folder := cached_folder(i)) is not None))
    chosen = next((place for place in places if is_file(place / _INDEX)), None)
    if chosen is not None:
        return chosen
    kind = "" if layout_of_file is None else f" in the layout of {layout_of_file.name}"
    message = (
        f"the model in {path} cannot be used: it holds weights{kind}, and its configurations and "
        "tokenizers are not here"
    )
    notes = [f"`hf download {i} {_WITHOUT_WEIGHTS}` fetches them without weights" for i in ids[:1]]
    where = f"{beside[0].name}/ or config/ beside the file may be a folder of diffusers with them"
    raise PoeError((Diagnostic("P0206", message, notes=(*notes, where)),))
