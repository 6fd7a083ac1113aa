"""Models of the hub: where their weights are on this machine, and how they are had."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from poedsl.catalog.model_folders import local_folder
from poedsl.catalog.profiles import BUILT_IN
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError


@dataclass(frozen=True, slots=True)
class HubModel:
    """What a person wants to know before fetching weights.

    Attributes:
        size: of the download, in GB. licence: what it may be used for. gated: whether its terms
            must be accepted at the hub first.
    """

    size: float
    licence: str
    gated: bool = False


_FLUX_DEV = "FLUX.1 [dev] Non-Commercial License"
KNOWN = {
    "black-forest-labs/FLUX.1-dev": HubModel(34.0, _FLUX_DEV, gated=True),
    "black-forest-labs/FLUX.1-Depth-dev": HubModel(34.0, _FLUX_DEV, gated=True),
    "black-forest-labs/FLUX.1-Fill-dev": HubModel(34.0, _FLUX_DEV, gated=True),
    "black-forest-labs/FLUX.1-schnell": HubModel(34.0, "Apache-2.0", gated=True),
    "zhiqiulin/clip-flant5-xxl": HubModel(23.0, "Apache-2.0"),
    "openai/clip-vit-large-patch14": HubModel(1.7, "MIT"),
    "THUDM/ImageReward": HubModel(1.8, "Apache-2.0"),
    "IDEA-Research/grounding-dino-base": HubModel(0.9, "Apache-2.0"),
    "depth-anything/Depth-Anything-V2-Large-hf": HubModel(1.3, "CC-BY-NC-4.0"),
    "Qwen/Qwen2.5-7B-Instruct": HubModel(15.2, "Apache-2.0"),
}


def find_model(expert: str, model: str, base: Path = Path()) -> Path:
    """The folder of a model: a folder, one that comes with the package, or one fetched before.

    Args:
        expert: whose model it is, for messages. base: the folder that paths are relative to.

    Raises:
        PoeError: its weights are not on this machine; the note says how they get there.
    """
    if model:
        folder = local_folder(str(base / model)) or local_folder(model) or _cached(model)
        if folder is not None:
            return folder.resolve()
    raise PoeError((Diagnostic("P0701", _missing(expert, model), notes=_how(expert, model)),))


def _cached(model: str) -> Path | None:
    """Where the hub's library keeps a model that was fetched whole."""
    if model.count("/") != 1:
        return None
    try:
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(model, local_files_only=True))
    except (ImportError, OSError, ValueError):
        return None


def _missing(expert: str, model: str) -> str:
    if not model:
        return f"`{expert}` has no model"
    return f"the weights of `{expert}` are not here: {model}"


def _how(expert: str, model: str) -> tuple[str, ...]:
    if not model:
        table = f'`{expert} = "FOLDER"` under [profile.NAME.models] in poe.toml'
        return (f'`model = "FOLDER"` names one, a folder or an id of the hub, or {table}',)
    notes = []
    known = KNOWN.get(model)
    if known is not None:
        notes.append(f"they take about {known.size:.2g} GB; licence: {known.licence}")
    if known is not None and known.gated:
        notes.append(f"accept their terms at https://huggingface.co/{model}, then `hf auth login`")
    if model.count("/") == 1:
        notes.append(f"`hf download {model}` fetches them")
    other = 'other weights: `model = "FOLDER"`, or a profile in poe.toml'
    if expert in BUILT_IN["small"].models:
        other += "; `--profile small` runs the small model that comes with the package"
    return (*notes, other)
