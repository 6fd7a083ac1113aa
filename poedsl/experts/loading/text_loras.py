"""LoRAs of the text encoders of pipelines, as the library applies them."""

from __future__ import annotations

import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from torch import Tensor

from poedsl.catalog.adapters import Lora
from poedsl.experts.loading.cache import cached_by_folder
from poedsl.experts.loading.libraries import missing_extra
from poedsl.experts.loading.load_warnings import warn
from poedsl.experts.loading.model_errors import loading
from poedsl.experts.loading.weight_files import listed, read_config

#: The text encoders to which pipelines add LoRAs, by how the names of their classes begin.
_ENCODERS = {
    "StableDiffusionXL": ("text_encoder", "text_encoder_2"),
    "StableDiffusion3": (),
    "StableDiffusion": ("text_encoder",),
    "Flux2": (),
    "Flux": ("text_encoder",),
}


def encoders_with_loras(pipeline: str) -> tuple[str, ...]:
    """The text encoders to which a LoRA is added, by the name of the pipeline's class."""
    return next((encoders for name, encoders in _ENCODERS.items() if pipeline.startswith(name)), ())


def textual(folder: str, loras: tuple[Lora, ...]) -> tuple[Lora, ...]:
    """Those of several LoRAs that have weights for text encoders of the pipeline in a folder.

    Raises:
        PoeError: one cannot be read (P0206), or the library peft is missing (P0703).
    """
    return tuple(lora for lora in loras if _weights(folder, lora))


def add_to_encoders(pipeline: Any, folder: str, loras: tuple[Lora, ...]) -> None:
    """Add LoRAs to the text encoders of a pipeline, each with its weight.

    Raises:
        PoeError: a file lacks weights, or has some of other sizes (P0206).
    """
    from diffusers.utils import set_weights_and_activate_adapters

    added: dict[str, dict[str, float]] = {}
    for n, lora in enumerate(loras):
        for part, (state, alphas) in _weights(folder, lora).items():
            with loading("lora", lora.path), warnings.catch_warnings():
                warnings.filterwarnings("ignore", category=UserWarning, module=r"peft\.")
                encoder = getattr(pipeline, part)
                pipeline.load_lora_into_text_encoder(
                    dict(state), alphas, encoder, prefix=part, adapter_name=f"lora{n}"
                )
                _all_applied(encoder, state, part, lora.path, f"lora{n}")
            added.setdefault(part, {})[f"lora{n}"] = lora.weight
    for part, scales in added.items():
        encoder = getattr(pipeline, part)
        set_weights_and_activate_adapters(encoder, list(scales), list(scales.values()))
        encoder.eval().requires_grad_(False)


@cached_by_folder(maxsize=8)
def _weights(folder: str, lora: Lora) -> dict[str, tuple[dict[str, Tensor], Any]]:
    """The weights of a LoRA for each text encoder, and the library's scales of them."""
    try:
        import peft  # noqa: F401
    except ImportError as error:
        raise missing_extra("lora", "lora", error) from error
    import diffusers

    name = str(read_config(folder, "model_index.json").get("_class_name"))
    path, parts = Path(lora.path), encoders_with_loras(name)
    if not parts or (path.parent / "adapter_config.json").is_file():
        return {}
    options: dict[str, Any] = {"return_alphas": True}
    if name.startswith("StableDiffusion"):
        options = {"unet_config": SimpleNamespace(**read_config(folder, "unet"))}
    with loading("lora", lora.path):
        state, alphas, *_ = getattr(diffusers, name).lora_state_dict(
            str(path.parent),
            weight_name=path.name,
            local_files_only=True,
            use_safetensors=True,
            **options,
        )
    by_part = {part: {n: w for n, w in state.items() if n.startswith(f"{part}.")} for part in parts}
    return {part: (weights, alphas) for part, weights in by_part.items() if weights}


def _all_applied(
    encoder: Any, state: dict[str, Tensor], part: str, path: str, adapter: str
) -> None:
    """Check that a text encoder has the weights of a LoRA; warn (P1020) of those it has not.

    Raises:
        ValueError: it has weights that are not in the file or have other sizes, or none at all.
    """
    from diffusers.utils import convert_state_dict_to_diffusers, convert_state_dict_to_peft

    plain = {n.removeprefix(f"{part}."): w for n, w in state.items()}
    read = convert_state_dict_to_peft(convert_state_dict_to_diffusers(plain))
    if not hasattr(encoder, "text_model"):  # as in the library, for CLIP of new transformers
        read = {n.removeprefix("text_model."): w for n, w in read.items()}
    weights = encoder.state_dict().items()
    applied = {n.replace(f".{adapter}", ""): w.shape for n, w in weights if f".{adapter}." in n}
    if missing := applied.keys() - read.keys():
        raise ValueError(f"its weights for {part} lack {listed(missing)}")
    if sizes := [n for n, shape in applied.items() if read[n].shape != shape]:
        raise ValueError(f"its weights for {part} have another size: {listed(sizes)}")
    if not applied:
        raise ValueError(f"it has no LoRA of a {type(encoder).__name__}")
    if unread := read.keys() - applied.keys():
        message = f"the LoRA {path} has weights that are not applied: {listed(unread)}"
        warn("P1020", message, file=str(path), weights=len(unread))
