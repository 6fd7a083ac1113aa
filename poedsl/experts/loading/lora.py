"""LoRAs of networks of diffusers, as the library reads them.

Experts with the same weights and different LoRAs have networks of their own, whose weight matrices
are the same tensors. No network is switched from one LoRA to another, so that activations that a
backward pass recomputes are those of the forward pass.
"""

from __future__ import annotations

import copy
import inspect
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from poedsl.catalog.adapters import Lora
from poedsl.experts.loading.libraries import missing_extra
from poedsl.experts.loading.load_warnings import warn
from poedsl.experts.loading.model_errors import loading
from poedsl.experts.loading.text_loras import encoders_with_loras
from poedsl.experts.loading.weight_files import listed, read_config, tensor_names, tensors_in

#: Parts of the names of weights of other adapters, and what these are called.
_OTHERS = {
    "dora_scale": "DoRA",
    "lora_magnitude_vector": "DoRA",
    "hada_w": "LoHa",
    "lokr_w": "LoKr",
    "oft_": "OFT",
}
#: The layer of a transformer to which conditions add inputs. A LoRA that has been trained without
#: them is zero there.
_INPUTS = "x_embedder."


def twin(network: Any) -> Any:
    """A copy of a network over the same weight matrices, to which adapters can be added.

    Vectors are copied, since some adapters replace norms.
    """
    weights = (*network.parameters(), *network.buffers())
    return copy.deepcopy(network, {id(w): w for w in weights if w.dim() > 1})


def add_loras(network: Any, folder: str, part: str, loras: tuple[Lora, ...]) -> None:
    """Add LoRAs to a network, each with its weight, in any format that the pipeline of its folder
    converts: that of diffusers, of kohya's scripts and others, or a folder of peft.

    Args:
        folder: of the pipeline. part: the network's subfolder in it.

    Raises:
        PoeError: the library peft is missing (P0703); the pipeline loads no LoRAs, or a file holds
            none for this network or lacks some of its weights (P0206).
    """
    try:
        import peft  # noqa: F401
    except ImportError as error:
        raise missing_extra("lora", "lora", error) from error
    for n, lora in enumerate(loras):
        with loading("lora", lora.path), warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=UserWarning, module=r"peft\.")
            _add(network, folder, part, Path(lora.path), f"lora{n}")
    network.set_adapters([f"lora{n}" for n in range(len(loras))], [lora.weight for lora in loras])
    network.eval().requires_grad_(False)


def _add(network: Any, folder: str, part: str, path: Path, adapter: str) -> None:
    names = tensor_names(path)
    other = next((kind for text, kind in _OTHERS.items() if any(text in n for n in names)), None)
    if other is not None:
        raise ValueError(f"it holds a {other}, and only LoRAs are applied")
    before = _sizes(network)
    try:
        if (path.parent / "adapter_config.json").is_file():
            read = _add_of_peft(network, path, adapter)
        else:
            read = _add_of_pipeline(network, folder, part, path, adapter)
    except KeyError as error:
        raise ValueError(f"its weights lack `{error.args[0]}`") from error
    _all_applied(network, read, path, adapter)
    after = _sizes(network)
    if grown := [n for n in before if after[n] != before[n] and not n.startswith(_INPUTS)]:
        raise ValueError(f"it is of a network with another size of {listed(grown)}")


def _sizes(network: Any) -> dict[str, torch.Size]:
    """The sizes of the weights of a network, by their names without adapters."""
    return {n.replace(".base_layer", ""): w.shape for n, w in network.state_dict().items()}


def _add_of_peft(network: Any, path: Path, adapter: str) -> dict[str, Tensor]:
    """Add a LoRA that peft has saved, with its configuration beside it."""
    from peft import LoraConfig

    config = read_config(str(path.parent), "adapter_config.json")
    for option, plain in (("peft_type", "LORA"), ("bias", "none"), ("modules_to_save", None)):
        if config.get(option, plain) != plain:
            raise ValueError(f"`{option}` is {config[option]} in its adapter_config.json")
    config.pop("peft_version", None)
    if unknown := config.keys() - inspect.signature(LoraConfig).parameters.keys():
        raise ValueError(f"its adapter_config.json has options unknown to peft: {listed(unknown)}")
    weights = {n.removeprefix("base_model.model."): w for n, w in tensors_in(path).items()}
    network.load_lora_adapter(dict(weights), prefix=None, adapter_name=adapter, metadata=config)
    return weights


def _add_of_pipeline(
    network: Any, folder: str, part: str, path: Path, adapter: str
) -> dict[str, Tensor]:
    """Add a LoRA by the pipeline of a folder; its weights under the names of diffusers."""
    import diffusers

    name = str(read_config(folder, "model_index.json").get("_class_name"))
    kind: Any = getattr(diffusers, name, None)
    if kind is None or not hasattr(kind, "load_lora_weights"):
        raise ValueError(f"diffusers loads no LoRA into a {name}")
    read: dict[str, Tensor] = {}

    class Loader(kind):  # type: ignore[misc]
        """The pipeline without text encoders, which keep their weights."""

        @classmethod
        def lora_state_dict(cls, *args: Any, **options: Any) -> Any:
            converted = super().lora_state_dict(*args, **options)
            read.update(converted[0] if isinstance(converted, tuple) else converted)
            return converted

        @classmethod
        def load_lora_into_text_encoder(cls, *args: Any, **options: Any) -> None:
            pass

    takes = inspect.signature(kind.__init__).parameters.values()
    needed = [p.name for p in takes if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    pipeline = Loader(**{**dict.fromkeys(needed[1:]), part: network})
    pipeline.load_lora_weights(
        str(path.parent),
        weight_name=path.name,
        adapter_name=adapter,
        local_files_only=True,
        use_safetensors=True,
    )
    others = tuple(f"{encoder}." for encoder in encoders_with_loras(name))
    return {n.removeprefix(f"{part}."): w for n, w in read.items() if not n.startswith(others)}


def _all_applied(network: Any, read: dict[str, Tensor], path: Path, adapter: str) -> None:
    """Check that a network has the weights of a LoRA, and warn (P1020) of those that it has not.

    Args:
        read: the weights, under the names of their places in the network.

    Raises:
        ValueError: none of them is for this network, some are not in the file, or have other sizes.
    """
    from diffusers.utils import convert_unet_state_dict_to_peft

    if not any("lora_A" in name for name in read):
        read = convert_unet_state_dict_to_peft(read)
    weights = network.state_dict()
    applied = {n.replace(f".{adapter}", ""): w for n, w in weights.items() if f".{adapter}." in n}
    if missing := applied.keys() - read.keys():
        raise ValueError(f"its weights lack {listed(missing)}")
    if not applied:
        raise ValueError(f"it has no LoRA of a {type(network).__name__}")
    sizes = [
        n for n, w in applied.items() if w.shape != read[n].shape and not n.startswith(_INPUTS)
    ]
    if sizes:
        raise ValueError(
            f"its weights have another size than those of the network: {listed(sizes)}"
        )
    both = read.keys() & weights.keys()
    replaced = {n for n in both if torch.equal(weights[n], read[n].to(weights[n]))}
    if unread := read.keys() - applied.keys() - replaced:
        message = f"the LoRA {path} has weights that are not applied: {listed(unread)}"
        warn("P1020", message, file=str(path), weights=len(unread))
