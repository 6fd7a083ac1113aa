"""Latent spaces of autoencoders of diffusers."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import torch
import torch.nn.functional as F
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
#: Options of an autoencoder on which its latents do not depend.
NO_SETTINGS = ("sample_size", "force_upcast")
#: Images decoded at once without a gradient.
BATCH = 8


class Codec:
    """An autoencoder between images in [0, 1] and latents of about unit variance.

    Args:
        folder: of a model of diffusers with ``vae/``.

    Attributes:
        factor: pixels along a side of one latent. channels: of latents. key: a hash of the
            autoencoder's weights and of the options that its latents depend on, which identifies
            the latent space.

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
        used = (k for k in config if not k.startswith("_") and k not in NO_SETTINGS)
        self.key = fingerprint(folder, repr([(k, config[k]) for k in sorted(used)]))
        self.batch = profile.microbatch or BATCH

    def shape(self, pixels: tuple[int, ...]) -> tuple[int, int, int]:
        """The shape (c, h, w) of the latents of an image (3, H, W)."""
        _, height, width = pixels
        return self.channels, height // self.factor, width // self.factor

    def sized(
        self, image: Float[Tensor, "k H W"], shape: tuple[int, ...]
    ) -> Float[Tensor, "1 k H2 W2"]:
        """An image or a map of k channels, resized to the size in pixels of latents."""
        size = tuple(n * self.factor for n in shape[-2:])
        whole = image[None].float()
        if image.shape[-2:] == size:
            return whole
        return F.interpolate(whole, size, mode="bilinear", antialias=True, align_corners=False)

    def masked(
        self, image: Float[Tensor, "3 H W"], mask: Float[Tensor, "H W"], shape: tuple[int, ...]
    ) -> tuple[Float[Tensor, "1 1 H2 W2"], Float[Tensor, "1 c h w"]]:
        """A mask as 0 and 1, in the size in pixels of latents, and the latents of an image that is
        grey (0.5) where the mask is 1.
        """
        hole = (self.sized(mask[None], shape) >= 0.5).float()
        return hole, self.encode(torch.where(hole > 0, 0.5, self.sized(image, shape)))

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
        if torch.is_grad_enabled() and latents.requires_grad:
            return self._decoded(latents)
        return torch.cat([self._decoded(part) for part in torch.split(latents, self.batch)])

    def _decoded(self, latents: Float[Tensor, "L c h w"]) -> Float[Tensor, "L 3 H W"]:
        scaled = (latents / self.scale + self.shift).to(self.vae.dtype)
        with evaluating("", self.folder):
            images: Tensor = self.vae.decode(scaled, return_dict=False)[0]
        images = torch.where(torch.isfinite(images), images, math.nan)
        return (images.to(latents.dtype) / 2 + 0.5).clamp(0, 1)


@cached_by_folder(maxsize=64)
def fingerprint(folder: str, settings: str) -> str:
    """A hash of the weights of an autoencoder and of its settings."""
    digest = hashlib.sha256(settings.encode())
    for path in sorted((Path(folder) / "vae").glob("*.safetensors")):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def has_codec(folder: str) -> bool:
    """Whether a folder has an autoencoder."""
    return (Path(folder) / "vae" / "config.json").is_file()


def native_size(folder: str) -> tuple[int, int] | None:
    """Height and width in pixels of a model's training images; None where it is not recorded.

    As in the library's pipelines, the size of the latents that the network was trained on counts
    before that of the images that the autoencoder was trained on.
    """
    config = read_config(folder, "vae") if has_codec(folder) else None
    factor = 1 if config is None else 2 ** (len(config.get("block_out_channels", (1,))) - 1)
    for part in ("unet", "transformer"):
        if (Path(folder) / part / "config.json").is_file():
            size = _size(read_config(folder, part).get("sample_size"))
            if size is not None:
                return factor * size[0], factor * size[1]
    return None if config is None else _size(config.get("sample_size"))


def _size(size: object) -> tuple[int, int] | None:
    match size:
        case int():
            return size, size
        case [int(height), int(width)]:
            return height, width
        case _:
            return None
