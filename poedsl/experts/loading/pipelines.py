"""Whole pipelines in folders of diffusers, every part through the strict loader."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor, nn

from poedsl.catalog.profiles import Profile
from poedsl.experts.loading.cache import cached_by_folder
from poedsl.experts.loading.dtypes import network_dtype
from poedsl.experts.loading.folder_loader import (
    diffusers_network,
    transformers_network,
    transformers_processor,
)
from poedsl.experts.loading.model_errors import loading
from poedsl.experts.loading.placement import placed
from poedsl.experts.loading.schedulers import scheduler
from poedsl.experts.loading.weight_files import read_config

#: Options of pipelines for what changes or removes finished pictures.
_OFF = ("requires_safety_checker", "add_watermarker")
#: Components that judge finished pictures, which are not loaded.
LEFT_OUT = ("safety_checker", "watermarker")


def pipeline_class(folder: str) -> Any:
    """The class of a pipeline, by its name in ``model_index.json``.

    Raises:
        PoeError: the installed library has no such class (P0206).
    """
    import diffusers

    name = str(read_config(folder, "model_index.json").get("_class_name"))
    with loading("", folder):
        kind = getattr(diffusers, name, None)
        if not inspect.isclass(kind) or not issubclass(kind, diffusers.DiffusionPipeline):
            raise ValueError(f"the installed diffusers has no pipeline {name}")
    return kind


@cached_by_folder(maxsize=4)
def loaded_pipeline(folder: str, device: torch.device, profile: Profile) -> Any:
    """The pipeline of a folder with frozen networks, which several experts share.

    Networks of transformers, which read prompts, are in main memory and move to the device for
    each call. What judges or marks finished pictures is left out.

    Raises:
        PoeError: a part is missing, has other weights than its configuration says, or is of a
            library other than diffusers and transformers (P0206).
    """
    kind = pipeline_class(folder)
    index = read_config(folder, "model_index.json")
    with loading("", folder):
        taken = inspect.signature(kind.__init__).parameters
        options: dict[str, Any] = {name: False for name in _OFF if name in taken}
        for name, value in index.items():
            if name.startswith("_") or name in _OFF:
                continue
            if name not in taken:
                raise ValueError(f"model_index.json has `{name}`, which {kind.__name__} lacks")
            options[name] = _part(folder, name, value, device, profile)
        made = _on(kind, device)(**options)
        made.set_progress_bar_config(disable=True)
        return made


def _on(kind: Any, device: torch.device) -> Any:
    """The class with its inputs on a device, wherever its parts are."""
    here = property(lambda self: device)
    return type(kind.__name__, (kind,), {"device": here, "_execution_device": here})


def _part(folder: str, name: str, value: Any, device: torch.device, profile: Profile) -> Any:
    """A component of a pipeline, or an option as it is."""
    if not isinstance(value, list):
        return value
    library, kind = value
    if kind is None or name in LEFT_OUT:
        return None
    dtype = network_dtype(profile, device)
    if library == "diffusers":
        return _of_diffusers(folder, name, kind, dtype, device, profile)
    if library != "transformers":
        raise ValueError(f"its {name} is a {kind} of {library}, which is not loaded")
    import transformers

    part = getattr(transformers, kind)
    if issubclass(part, transformers.PreTrainedModel):
        return visiting(transformers_network(kind, folder, dtype, name), device)
    if not issubclass(part, processors()):
        raise ValueError(f"its {name} is a {kind}, which is not loaded")
    return transformers_processor(kind, folder, name)


def processors() -> tuple[Any, ...]:
    """The classes of tokenizers and of processors of pictures."""
    from transformers import FeatureExtractionMixin, PreTrainedTokenizerBase, ProcessorMixin
    from transformers.image_processing_base import ImageProcessingMixin

    return PreTrainedTokenizerBase, ProcessorMixin, ImageProcessingMixin, FeatureExtractionMixin


def _of_diffusers(
    folder: str,
    name: str,
    kind: str,
    dtype: torch.dtype,
    device: torch.device,
    profile: Profile,
) -> Any:
    import diffusers

    part = getattr(diffusers, kind)
    if issubclass(part, diffusers.SchedulerMixin):
        file = f"{name}/scheduler_config.json"
        return scheduler(part, read_config(folder, file), file)
    if not issubclass(part, diffusers.ModelMixin):
        raise ValueError(f"its {name} is a {kind}, which is not loaded")
    model = diffusers_network(kind, folder, name, dtype)
    decodes = hasattr(model, "decode")
    return model.to(device) if decodes else placed(model, device, profile)


def visiting(model: nn.Module, device: torch.device) -> nn.Module:
    """A network in main memory that is on the device while it is called."""
    if device.type == "cpu":
        return model

    def enter(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        module.to(device)
        moved = {k: _moved(v, device) for k, v in kwargs.items()}
        return tuple(_moved(a, device) for a in args), moved

    def leave(module: nn.Module, *rest: object) -> None:
        module.to("cpu")

    model.register_forward_pre_hook(enter, with_kwargs=True)
    model.register_forward_hook(leave)
    return model


def _moved(value: Any, device: torch.device) -> Any:
    return value.to(device) if isinstance(value, Tensor) else value
