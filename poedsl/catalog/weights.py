"""Weights of models: their folders on this machine, and how to download them.

A folder is named by its path, as a model that comes with the package, or by its id on the Hugging
Face hub.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from poedsl.catalog.hub_cache import cached_folder
from poedsl.catalog.profiles import BUILT_IN
from poedsl.catalog.single_files import configurations, single_file
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError
from poedsl.grammar.program_files import is_folder

_PACKAGE = Path(__file__).resolve().parent.parent
#: Weights that Python has pickled: to read them is to run what is in them.
PICKLES = (".bin", ".ckpt", ".pt", ".pth")
CHECKPOINTS = (".safetensors", *PICKLES)
_SINGLE = (
    "models are read from the folders that `save_pretrained` writes, and from single files of "
    "safetensors in the layouts of Stable Diffusion 1, 2 and XL and of FLUX.1; diffusers reads "
    "others by `from_single_file` of a pipeline's class, and writes such a folder"
)


@dataclass(frozen=True, slots=True)
class HubModel:
    """The size and terms of weights on the hub.

    Attributes:
        size: of the download, in GB. licence: what it may be used for. gated: whether its terms
            must be accepted at the hub first.
    """

    size: float
    licence: str
    gated: bool = False


_FLUX_DEV = "FLUX.1 [dev] Non-Commercial License"
_OPEN_RAIL, _OPEN_RAIL_PP = "CreativeML Open RAIL-M", "CreativeML Open RAIL++-M"
_FLUX2_DEV = "FLUX Non-Commercial License"
HUB_MODELS = {
    "black-forest-labs/FLUX.1-dev": HubModel(34.0, _FLUX_DEV, gated=True),
    "black-forest-labs/FLUX.1-Depth-dev": HubModel(34.0, _FLUX_DEV, gated=True),
    "black-forest-labs/FLUX.1-Canny-dev": HubModel(34.0, _FLUX_DEV, gated=True),
    "black-forest-labs/FLUX.1-Fill-dev": HubModel(34.0, _FLUX_DEV, gated=True),
    "black-forest-labs/FLUX.1-Kontext-dev": HubModel(34.0, _FLUX_DEV, gated=True),
    "Shakker-Labs/FLUX.1-dev-ControlNet-Union-Pro-2.0": HubModel(4.3, _FLUX_DEV),
    "black-forest-labs/FLUX.1-schnell": HubModel(34.0, "Apache-2.0", gated=True),
    "stable-diffusion-v1-5/stable-diffusion-v1-5": HubModel(4.3, _OPEN_RAIL),
    "stable-diffusion-v1-5/stable-diffusion-inpainting": HubModel(4.3, _OPEN_RAIL),
    "stabilityai/stable-diffusion-xl-base-1.0": HubModel(13.9, _OPEN_RAIL_PP),
    "diffusers/stable-diffusion-xl-1.0-inpainting-0.1": HubModel(13.9, _OPEN_RAIL_PP),
    "lllyasviel/control_v11f1p_sd15_depth": HubModel(1.4, _OPEN_RAIL),
    "diffusers/controlnet-depth-sdxl-1.0": HubModel(5.0, _OPEN_RAIL_PP),
    "stabilityai/stable-diffusion-3.5-large": HubModel(
        27.7, "Stability AI Community License", gated=True
    ),
    "black-forest-labs/FLUX.2-dev": HubModel(113.0, _FLUX2_DEV, gated=True),
    "black-forest-labs/FLUX.2-klein-base-4B": HubModel(16.0, "Apache-2.0"),
    "Qwen/Qwen-Image": HubModel(57.7, "Apache-2.0"),
    "Tongyi-MAI/Z-Image": HubModel(20.5, "Apache-2.0"),
    "zhiqiulin/clip-flant5-xxl": HubModel(23.0, "Apache-2.0"),
    "openai/clip-vit-large-patch14": HubModel(1.7, "MIT"),
    "yuvalkirstain/PickScore_v1": HubModel(3.9, "see its model card"),
    "google/siglip2-so400m-patch14-384": HubModel(4.5, "Apache-2.0"),
    "THUDM/ImageReward": HubModel(1.8, "Apache-2.0"),
    "IDEA-Research/grounding-dino-base": HubModel(0.9, "Apache-2.0"),
    "depth-anything/Depth-Anything-V2-Large-hf": HubModel(1.3, "CC-BY-NC-4.0"),
    "Qwen/Qwen2.5-7B-Instruct": HubModel(15.2, "Apache-2.0"),
}


def model_folder(name: str) -> Path:
    """The folder of a model: a path, or one of those that come with the package; or the single
    file that holds it.

    Raises:
        PoeError: there is no such folder (P0701).
    """
    folder = single_file(name) or local_folder(name)
    if folder is None:
        message = f"the model `{name}` is not here: there is no such folder"
        raise PoeError((Diagnostic("P0701", message),))
    return folder


def local_folder(name: str) -> Path | None:
    """As `model_folder`, but None where there is no such folder."""
    places = (Path(name), _PACKAGE / "models" / name, _PACKAGE.parent / "models" / name)
    return next((p for p in places if is_folder(p)), None)


def find_model(expert: str, model: str, base: Path = Path(), parameter: str = "model") -> Path:
    """The folder of a model: a path, one that comes with the package, or one that was downloaded;
    or the single file that holds it.

    Args:
        expert: whose model it is, for messages. base: the folder that paths are relative to.
            parameter: of the expert, that names it.

    Raises:
        PoeError: its weights are not on this machine (P0701); a note says how to download them.
            It is a single file without configurations (P0206).
    """
    notes: tuple[str, ...] = ()
    if model and parameter == "model" and (file := single_file(model, base)) is not None:
        configurations(file)
        return file
    if model:
        notes = file_notes(base / model)
        folder = local_folder(str(base / model)) or local_folder(model) or cached_folder(model)
        if folder is not None:
            return folder.resolve()
    notes = (*notes, *_how(expert, model, parameter))
    raise PoeError((Diagnostic("P0701", _missing(expert, model), notes=notes),))


def file_notes(path: Path) -> tuple[str, ...]:
    """What to do with a file where the folder of a model is expected."""
    if not os.path.isfile(path):
        return ()
    if path.suffix == ".gguf":
        return ("it is a file; a model in GGUF is named by its folder, which holds no other",)
    return (f"it is a file: {_SINGLE}",)


def single_files(folder: Path) -> tuple[str, ...]:
    """What to do with checkpoints of whole models in a folder that holds no model."""
    try:
        names = sorted(p.name for p in folder.iterdir() if p.suffix in CHECKPOINTS)
    except OSError:
        return ()
    file = next((n for n in names if single_file(str(folder / n)) is not None), None)
    if file is not None:
        return (f'a single file with a model is named itself: "{folder / file}"',)
    return (f"{names[0]} in it is not read: {_SINGLE}",) if names else ()


def _missing(expert: str, model: str) -> str:
    if not model:
        return f"`{expert}` has no model"
    return f"the weights of `{expert}` are not here: {model}"


def _how(expert: str, model: str, parameter: str) -> tuple[str, ...]:
    if not model:
        table = f'`{expert} = "FOLDER"` under [profile.NAME.models] in poe.toml'
        return (f'`model = "FOLDER"` names one, a folder or an id of the hub, or {table}',)
    notes = []
    hub_model = HUB_MODELS.get(model)
    if hub_model is not None:
        notes.append(f"they take about {hub_model.size:.2g} GB; licence: {hub_model.licence}")
    if hub_model is not None and hub_model.gated:
        notes.append(f"accept their terms at https://huggingface.co/{model}, then `hf auth login`")
    if model.count("/") == 1 and not model.endswith(CHECKPOINTS):
        notes.append(f"`hf download {model}` fetches them")
    other = f'other weights: `{parameter} = "FOLDER"`'
    if parameter == "model":
        other += ", or a profile in poe.toml"
    if parameter == "model" and expert in BUILT_IN["small"].models:
        other += "; `--profile small` runs the small model that comes with the package"
    return (*notes, other)
