"""Networks of diffusers in single files, by the conversions of the library's `from_single_file`.

The library leaves out what its conversions do not know, and says so nowhere. Here a conversion is
first run on the sizes alone, so that weights that are missing or without use are reported as those
of folders are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from poedsl.catalog.single_files import DENOISER, ENDING, weight_shapes
from poedsl.experts.loading.load_warnings import warn
from poedsl.experts.loading.weight_files import listed, tensors_in

#: What the names of the weights of each part begin with.
_PREFIXES = {
    "unet": (DENOISER,),
    "transformer": (DENOISER,),
    "vae": ("first_stage_model.", "vae."),
    "text_encoder": ("cond_stage_model.", "conditioner.embedders.0.", "text_encoders.clip_l."),
    "text_encoder_2": ("conditioner.embedders.1.",),
}
_T5 = "text_encoders.t5xxl."
_DENOISERS = ("unet", "transformer")
#: What weights of a transformer in a file of its own begin with, which have no prefix.
_BARE = "double_blocks."
#: Weights without use in inference: averages during training, and what follows from a scheduler.
_TRAINING = ("model_ema.", "posterior_", "sqrt_", "log_one_minus_", "alphas_cumprod", "betas")
_CONSTANTS = ("logvar", "lvlb_weights", "scale_factor", "denoiser.sigmas", "global_step")
#: Endings of the names of constants, and of a number that text encoders alone do not use.
_UNUSED = ("position_ids", "logit_scale")
#: Endings of the names of scales by which quantised weights are multiplied.
_SCALES = ("scale_weight", "weight_scale", "scale_input", "input_scale", "scaled_fp8", "absmax")


def prefix_in(model: str, kind: str, part: str) -> str | None:
    """What the names of a part's weights begin with in a single file; None where the model is a
    folder, or the file does not have the part.

    Args:
        kind: the name of the part's class.
    """
    path = Path(model)
    if path.suffix != ENDING or not path.is_file():
        return None
    names = weight_shapes(path).keys()
    prefixes = (_T5,) if kind == "T5EncoderModel" else _PREFIXES.get(part, ())
    if part in _DENOISERS and any(n.startswith(_BARE) for n in names):
        return ""
    return next((p for p in prefixes if any(n.startswith(p) for n in names)), None)


def original_weights(
    network: Any, config: dict[str, Any], model: str, part: str, prefix: str
) -> dict[str, Tensor]:
    """The weights of a network of diffusers in a single file, under their names there.

    Args:
        network: its class. config: its configuration.

    Raises:
        ValueError: weights are missing or have other sizes, or the library converts none.
    """
    path = Path(model)
    shapes = {n: s for n, s in weight_shapes(path).items() if n.startswith(prefix)}
    _compare(network, config, shapes, path, part)
    if part in _DENOISERS:
        prefixes = (prefix, _T5, *(p for several in _PREFIXES.values() for p in several))
        rest = {n for n in weight_shapes(path) if not n.startswith((*prefixes, *_TRAINING))}
        _warn_of(rest - set(_CONSTANTS), path)
    return tensors_in(path, shapes)


def _compare(
    network: Any, config: Any, shapes: dict[str, tuple[int, ...]], path: Path, part: str
) -> None:
    """Check that the weights of a file are those of a network, by a conversion of empty tensors.

    Raises:
        ValueError: some are missing, or have other sizes.
    """
    _refuse_scales(shapes)
    with torch.device("meta"):
        expected = {n: w.shape for n, w in network.from_config(config).state_dict().items()}
    empty = {n: torch.empty(shape, device="meta") for n, shape in shapes.items()}
    checkpoint = dict(empty)
    try:
        converted = _conversion(network)(config=config, checkpoint=checkpoint)
    except KeyError as error:
        raise ValueError(f"its weights lack `{error.args[0]}`") from error
    used = {id(w if w._base is None else w._base) for w in converted.values()}
    left = {id(w) for w in checkpoint.values()} - used
    unread = {n for n, w in empty.items() if id(w) in left} | converted.keys() - expected.keys()
    if missing := expected.keys() - converted.keys():
        raise ValueError(f"its weights of {part}/ lack {listed(missing)}")
    if sizes := [n for n, shape in expected.items() if converted[n].shape != shape]:
        raise ValueError(
            f"its weights of {part}/ have another size than config.json says: {listed(sizes)}"
        )
    _warn_of(unread, path)


def _conversion(network: Any) -> Callable[..., dict[str, Tensor]]:
    from diffusers.loaders.single_file_model import SINGLE_FILE_LOADABLE_CLASSES

    entry = SINGLE_FILE_LOADABLE_CLASSES.get(network.__name__)
    if entry is None:
        raise ValueError(f"diffusers converts no single file to a {network.__name__}")
    conversion: Callable[..., dict[str, Tensor]] = entry["checkpoint_mapping_fn"]
    return conversion


def text_encoder_weights(config: Any, model: str, kind: str, prefix: str) -> dict[str, Tensor]:
    """The weights of a text encoder in a single file, under the names of transformers.

    Args:
        config: of its network. kind: the name of its class.

    Raises:
        ValueError: they are multiplied by scales that are not read.
    """
    from diffusers.loaders import single_file_utils as library

    path = Path(model)
    names = [n for n in weight_shapes(path) if n.startswith(prefix)]
    _refuse_scales(names)
    read = tensors_in(path, (n for n in names if not n.endswith(_UNUSED)))
    inner = f"{prefix}transformer."
    if kind == "T5EncoderModel":
        return {n.removeprefix(inner): w for n, w in read.items()}
    opened = f"{prefix}model."
    if not any(n.startswith(opened) for n in names):
        return dict(library.convert_ldm_clip_checkpoint(read, inner))
    layers = {opened + n for n in library.DIFFUSERS_TO_LDM_MAPPING["openclip"]["layers"].values()}
    _warn_of((n for n in read if not n.startswith(f"{opened}transformer.") | (n in layers)), path)
    encoder = SimpleNamespace(config=config)
    return dict(library.convert_open_clip_checkpoint(encoder, read, opened))


def _refuse_scales(names: Iterable[str]) -> None:
    if scaled := [n for n in names if n.endswith(_SCALES)]:
        raise ValueError(f"its weights are quantised, and scales are not read: {listed(scaled)}")


def _warn_of(names: Iterable[str], path: Path) -> None:
    if unread := {n for n in names if not n.endswith(_UNUSED)}:
        message = f"the model in {path} has no use for its {listed(unread)}"
        warn("P1020", message, file=str(path), weights=len(unread))


def tensors_below(model: str, prefix: str) -> dict[str, Tensor]:
    """The weights in a single file whose names begin with a prefix."""
    path = Path(model)
    return tensors_in(path, (n for n in weight_shapes(path) if n.startswith(prefix)))
