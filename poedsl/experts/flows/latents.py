"""Latent spaces of autoencoders of diffusers."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.catalog.profiles import Profile
from poedsl.experts.loading import diffusers_parts
from poedsl.experts.loading.cache import cached_by_folder
from poedsl.experts.loading.dtypes import network_dtype
from poedsl.experts.loading.model_errors import evaluating, loading, unfit
from poedsl.experts.loading.model_files import read_config

#: Parts of latents begin and end at multiples of this, the patch size of transformers.
PATCH = 2
#: Images decoded at once without a gradient.
BATCH = 8


class Codec:
    """An autoencoder between images in [0, 1] and latents of about unit variance.

    Args:
        folder: of a model of diffusers with ``vae/``.

    Attributes:
        factor: pixels along a side of one latent. channels: of latents. key: a hash of the
            autoencoder's configuration and weights, which identifies the latent space.

    Raises:
        PoeError: the folder has no autoencoder, or it cannot be loaded (P0206).
    """

    def __init__(self, folder: str, device: torch.device, profile: Profile) -> None:
        self.vae = diffusers_parts.autoencoder(folder, device, network_dtype(profile, device))
        self.folder, config = folder, self.vae.config
        for name in ("latents_mean", "latents_std"):
            if config.get(name) is not None:
                raise unfit(
                    "", folder, f"`{name}` is set in vae/config.json, which is not followed"
                )
        with loading("", folder):
            self.factor = 2 ** (len(config.block_out_channels) - 1)
            self.channels = int(config.latent_channels)
            self.shift = float(config.shift_factor or 0.0)
            self.scale = float(config.scaling_factor or 1.0)
        self.key = fingerprint(folder)
        self.batch = profile.microbatch or BATCH

    def shape(self, pixels: tuple[int, ...]) -> tuple[int, int, int]:
        """The shape (c, h, w) of the latents of an image (3, H, W)."""
        _, height, width = pixels
        return self.channels, height // self.factor, width // self.factor

    def encode(self, images: Float[Tensor, "L 3 H W"]) -> Float[Tensor, "L c h w"]:
        """The mode of the encoder's distribution.

        Raises:
            PoeError: it is not finite (P0206).
        """
        with evaluating("", self.folder), torch.no_grad():
            encoded = self.vae.encode((2 * images - 1).to(self.vae.dtype))
        latents: Tensor = encoded.latent_dist.mode()
        if not bool(torch.isfinite(latents).all()):
            kind = str(self.vae.dtype).removeprefix("torch.")
            raise unfit("", self.folder, f"what vae makes of an image is not finite in {kind}")
        return (latents.float() - self.shift) * self.scale

    def decode(self, latents: Float[Tensor, "L c h w"]) -> Float[Tensor, "L 3 H W"]:
        """Pictures in [0, 1], NaN where the network overflows; differentiable where a gradient is
        taken.
        """
        return in_batches(self._decoded, latents, self.batch)

    def _decoded(self, latents: Float[Tensor, "L c h w"]) -> Float[Tensor, "L 3 H W"]:
        scaled = (latents / self.scale + self.shift).to(self.vae.dtype)
        with evaluating("", self.folder):
            images: Tensor = self.vae.decode(scaled, return_dict=False)[0]
        images = torch.where(torch.isfinite(images), images, math.nan)
        return (images.to(latents.dtype) / 2 + 0.5).clamp(0, 1)


class LatentSpace(Protocol):
    """The latent space of an autoencoder, whose latents pictures are made of.

    Attributes:
        folder: of the model. factor: pixels along a side of one latent. channels: of latents.
        key: identifies the space.
    """

    folder: str
    factor: int
    channels: int
    key: str

    def shape(self, pixels: tuple[int, ...]) -> tuple[int, int, int]:
        """The shape (c, h, w) of the latents of an image (3, H, W)."""
        ...

    def decode(self, latents: Float[Tensor, "L c h w"]) -> Float[Tensor, "L 3 H W"]:
        """Pictures in [0, 1]; differentiable where a gradient is taken."""
        ...


def in_batches(decode: Callable[[Tensor], Tensor], latents: Tensor, batch: int) -> Tensor:
    """Pictures of so many latents at once, or of all where a gradient is taken."""
    if torch.is_grad_enabled() and latents.requires_grad:
        return decode(latents)
    return torch.cat([decode(part) for part in torch.split(latents, batch)])


@cached_by_folder(maxsize=64)
def fingerprint(folder: str) -> str:
    """A hash of the configuration and the weights of an autoencoder."""
    digest = hashlib.sha256()
    config = read_config(folder, "vae")
    settings = sorted((k, str(v)) for k, v in config.items() if not k.startswith("_"))
    digest.update(repr(settings).encode())
    for path in sorted((Path(folder) / "vae").glob("*.safetensors")):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def has_codec(folder: str) -> bool:
    """Whether a folder has an autoencoder."""
    return (Path(folder) / "vae" / "config.json").is_file()


def native_size(folder: str) -> tuple[int, int] | None:
    """Height and width in pixels of a model's training images; None where it is not recorded."""
    if has_codec(folder):
        size = read_config(folder, "vae").get("sample_size")
    elif (Path(folder) / "unet" / "config.json").is_file():
        size = read_config(folder, "unet").get("sample_size")
    else:
        return None
    match size:
        case int():
            return size, size
        case [int(height), int(width)]:
            return height, width
        case _:
            return None
