"""Parts of models in diffusers' folders, each loaded once for all that use it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.catalog.model_folders import missing_extra, quiet_loading
from poedsl.catalog.profiles import Profile
from poedsl.experts.loading.cache import cached_by_folder
from poedsl.experts.loading.transformers_models import LOCAL, loaded
from poedsl.grammar.diagnostics import Diagnostic, PoeError

#: Prompts whose embeddings are kept.
PROMPTS = 256


def config(folder: str, part: str) -> dict[str, Any]:
    """What a part of a model says of itself.

    Raises:
        PoeError: the folder has no such part.
    """
    path = Path(folder) / part
    path = path if path.suffix else path / "config.json"
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise unfit(folder, f"it has no {path.relative_to(folder)} that can be read") from error
    return found


def unfit(folder: str, reason: str, *notes: str) -> PoeError:
    """A folder that holds another model than what it is to be."""
    message = f"the folder {folder} does not hold the model that is wanted: {reason}"
    return PoeError((Diagnostic("P0206", message, notes=notes),))


@contextmanager
def loading(folder: str, what: str) -> Iterator[None]:
    """Loads from a folder; what is wrong with it is told in a line.

    Raises:
        PoeError: the library is missing, or the folder's files cannot be read.
    """
    try:
        with quiet_loading():
            yield
    except ImportError as error:
        raise missing_extra(what, "diffusers", error) from error
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise unfit(folder, f"{what} cannot be loaded: {str(error).splitlines()[0]}") from error


def _kind(dtype: torch.dtype) -> dict[str, torch.dtype]:
    """The argument by which diffusers takes a dtype, which was renamed in 0.40."""
    import diffusers

    major, minor = (int(v) for v in diffusers.__version__.split(".")[:2])
    return {"dtype" if (major, minor) >= (0, 40) else "torch_dtype": dtype}


@cached_by_folder(maxsize=16)
def transformer(folder: str, device: torch.device, profile: Profile) -> Any:
    """The transformer of a FLUX folder, frozen, as a profile wants it."""
    dtype = profile.torch_dtype(device)
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
    """T5's embedding of every token of a prompt, and CLIP's of the whole."""
    pipeline = _encoders(folder, device, dtype)
    length = min(512, pipeline.tokenizer_2.model_max_length)
    with torch.no_grad():
        tokens, pooled, _ = pipeline.encode_prompt(
            prompt=text, prompt_2=text, device=device, max_sequence_length=length
        )
    return tokens, pooled


def free_encoders() -> None:
    """Text encoders are as large as what they serve, and idle once the prompts are known."""
    _encoders.cache_clear()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
