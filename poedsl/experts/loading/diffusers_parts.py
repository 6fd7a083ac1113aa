"""Parts of models in folders of diffusers: transformer, autoencoder, UNet, text encoders.

Each part is loaded once and shared by all experts that use it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.catalog.profiles import Profile
from poedsl.experts.loading.cache import cached_by_folder
from poedsl.experts.loading.dtypes import network_dtype
from poedsl.experts.loading.libraries import missing_extra, quiet_loading
from poedsl.experts.loading.transformers_models import LOCAL, loaded
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError

#: The number of prompts whose embeddings are cached.
PROMPTS = 256


def config(folder: str, part: str) -> dict[str, Any]:
    """The configuration of a part of a model, from its JSON file.

    Args:
        part: a subfolder with ``config.json``, or the path of a JSON file.

    Raises:
        PoeError: it cannot be read (P0206).
    """
    path = Path(folder) / part
    path = path if path.suffix else path / "config.json"
    try:
        configuration: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise unfit(folder, f"it has no {path.relative_to(folder)} that can be read") from error
    return configuration


def unfit(folder: str, reason: str, *notes: str) -> PoeError:
    """An error (P0206): the folder holds another model than the expected one."""
    message = f"the folder {folder} does not hold the model that is wanted: {reason}"
    return PoeError((Diagnostic("P0206", message, notes=notes),))


@contextmanager
def loading(folder: str, component: str) -> Iterator[None]:
    """Load from a folder; an error of the library becomes a diagnostic of one line.

    Raises:
        PoeError: a library is missing (P0703), or the files cannot be loaded (P0206).
    """
    try:
        with quiet_loading():
            yield
    except ImportError as error:
        raise missing_extra(component, "diffusers", error) from error
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise unfit(
            folder, f"{component} cannot be loaded: {str(error).splitlines()[0]}"
        ) from error


def _kind(dtype: torch.dtype) -> dict[str, torch.dtype]:
    """The dtype argument of diffusers, which was renamed in version 0.40."""
    import diffusers

    major, minor = (int(v) for v in diffusers.__version__.split(".")[:2])
    return {"dtype" if (major, minor) >= (0, 40) else "torch_dtype": dtype}


@cached_by_folder(maxsize=16)
def transformer(folder: str, device: torch.device, profile: Profile) -> Any:
    """The transformer of a FLUX folder, frozen, with the precision and offloading of a profile."""
    dtype = network_dtype(profile, device)
    with loading(folder, "its transformer"):
        from diffusers import FluxTransformer2DModel

        model = FluxTransformer2DModel.from_pretrained(
            folder,
            subfolder="transformer",
            use_safetensors=True,
            local_files_only=True,
            **_kind(dtype),
        )
    model = model.eval().requires_grad_(False)
    if profile.checkpointing:
        model.enable_gradient_checkpointing()
    if profile.quantize == "fp8":
        model.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=dtype)
    if profile.quantize == "int8":
        _int8(model)
    if profile.offload == "blocks" and device.type != "cpu":
        model.enable_group_offload(
            onload_device=device,
            offload_device=torch.device("cpu"),
            offload_type="block_level",
            num_blocks_per_group=1,
            use_stream=device.type == "cuda",
        )
        return model
    return model.to(device)


def _int8(model: Any) -> None:
    try:
        from torchao.quantization import Int8WeightOnlyConfig, quantize_
    except ImportError as error:
        raise missing_extra('quantize = "int8"', "int8", error) from error
    quantize_(model, Int8WeightOnlyConfig())


@cached_by_folder(maxsize=4)
def autoencoder(folder: str, device: torch.device, dtype: torch.dtype) -> Any:
    """The autoencoder of a folder, frozen."""
    with loading(folder, "its autoencoder"):
        from diffusers import AutoencoderKL

        model = AutoencoderKL.from_pretrained(
            folder, subfolder="vae", use_safetensors=True, local_files_only=True, **_kind(dtype)
        )
    return model.to(device).eval().requires_grad_(False)


@cached_by_folder(maxsize=8)
def unet(folder: str, device: torch.device) -> Any:
    """The ``UNet2DModel`` of a folder, frozen."""
    with loading(folder, "its unet"):
        from diffusers import UNet2DModel

        model = UNet2DModel.from_pretrained(
            folder,
            subfolder="unet",
            use_safetensors=True,
            local_files_only=True,
            **_kind(torch.float32),
            low_cpu_mem_usage=False,
        )
    return model.to(device).eval().requires_grad_(False)


@cached_by_folder(maxsize=2)
def _encoders(folder: str, device: torch.device, dtype: torch.dtype) -> Any:
    """The pipeline of a FLUX folder with its text encoders alone."""
    with loading(folder, "its text encoders"):
        import transformers
        from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline

        networks = {
            name: loaded(kind, folder, device, dtype, subfolder=name)
            for name, kind in (
                ("text_encoder", "CLIPTextModel"),
                ("text_encoder_2", "T5EncoderModel"),
            )
        }
        tokenizers = {
            name: getattr(transformers, kind).from_pretrained(folder, subfolder=name, **LOCAL)
            for name, kind in (("tokenizer", "CLIPTokenizer"), ("tokenizer_2", "T5TokenizerFast"))
        }
        return FluxPipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(),
            vae=None,
            transformer=None,
            **networks,
            **tokenizers,
        )


@cached_by_folder(maxsize=PROMPTS)
def prompt(
    folder: str, text: str, device: torch.device, dtype: torch.dtype
) -> tuple[Float[Tensor, "1 S d"], Float[Tensor, "1 p"]]:
    """The embeddings of a prompt: T5's of every token (1, S, d), and CLIP's pooled one (1, p)."""
    pipeline = _encoders(folder, device, dtype)
    length = min(512, pipeline.tokenizer_2.model_max_length)
    with torch.no_grad():
        tokens, pooled, _ = pipeline.encode_prompt(
            prompt=text, prompt_2=text, device=device, max_sequence_length=length
        )
    return tokens, pooled


def free_encoders() -> None:
    """Free the text encoders, which are not needed once the prompts are encoded."""
    _encoders.cache_clear()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
