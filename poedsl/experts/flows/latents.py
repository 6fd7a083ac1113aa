"""Latent spaces of autoencoders of diffusers.

Each kind of autoencoder has its own way to bring latents to about unit variance: a shift and a
scale (AutoencoderKL), the mean and the standard deviation of each channel
(AutoencoderKLQwenImage), or those of each channel of patches of 2 x 2 latents (AutoencoderKLFlux2).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from poedsl.catalog.profiles import Profile
from poedsl.experts.flows.autoencoder_folders import (
    BY_CHANNEL,
    FILMS,
    fingerprint,
    pixels_per_latent,
    settings,
)
from poedsl.experts.loading import shared_networks
from poedsl.experts.loading.dtypes import network_dtype
from poedsl.experts.loading.model_errors import evaluating, loading, unfit

#: Parts of latents begin and end at multiples of this, the patch size of transformers.
PATCH = 2
#: Images decoded at once without a gradient.
BATCH = 8
_BY_CHANNEL = (FILMS, "AutoencoderKLWan")


class Codec:
    """An autoencoder between images in [0, 1] and latents of about unit variance.

    Args:
        folder: of a model of diffusers with ``vae/``.

    Attributes:
        factor: pixels along a side of one latent. channels: of latents. span: frames that a
            latent stands for. key: a hash of the autoencoder's weights and of the options that its
            latents depend on, which identifies the latent space.

    Raises:
        PoeError: the folder has no autoencoder, or it cannot be loaded (P0206).
    """

    def __init__(self, folder: str, device: torch.device, profile: Profile) -> None:
        self.vae = shared_networks.autoencoder(folder, device, network_dtype(profile, device))
        self.folder = folder
        with loading("", folder):
            kind, config = type(self.vae).__name__, self.vae.config
            #: Whether it takes pictures as films of one frame.
            self.films = kind == FILMS
            self.factor = pixels_per_latent(config)
            self.channels = int(config.z_dim if kind in _BY_CHANNEL else config.latent_channels)
            match kind:
                case "AutoencoderKLQwenImage" | "AutoencoderKLWan":
                    self.loc, self.scale = _by_channel(config, self.vae.device)
                case "AutoencoderKLFlux2":
                    self.loc, self.scale = _by_patch(self.vae)
                case _:
                    self.loc, self.scale = _overall(config, folder, self.vae.device)
        self.span = 1
        self.key = fingerprint(folder, settings(config))
        self.batch = profile.microbatch or BATCH

    def shape(self, pixels: tuple[int, ...]) -> tuple[int, ...]:
        """The shape (c, h, w) of the latents of an image (3, H, W)."""
        _, height, width = pixels
        return self.channels, height // self.factor, width // self.factor

    def decoded_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of what latents of a shape stand for."""
        return decoded_shape(shape, self.factor)

    def whole(self, pixels: tuple[int, ...]) -> tuple[int, ...]:
        """The nearest shape of a colour picture of a whole number of patches."""
        return whole(pixels, self.factor)

    def sized(
        self, image: Float[Tensor, "k H W"], shape: tuple[int, ...]
    ) -> Float[Tensor, "1 k H2 W2"]:
        """An image or a map of k channels, resized to the size in pixels of latents."""
        height, width = (n * self.factor for n in shape[-2:])
        return resized(image, height, width)

    def masked(
        self,
        image: Float[Tensor, "k H W"],
        mask: Float[Tensor, "H W"],
        shape: tuple[int, ...],
        *,
        grey: float = 0.5,
    ) -> tuple[Float[Tensor, "1 1 H2 W2"], Float[Tensor, "1 c h w"]]:
        """A mask as 0 and 1, in the size in pixels of latents, and the latents of an image that is
        grey where the mask is 1.
        """
        hole = (self.sized(mask[None], shape) >= 0.5).float()
        picture = self.sized(image.expand(3, -1, -1), shape)
        return hole, self.encode(torch.where(hole > 0, grey, picture))

    def encode(self, images: Float[Tensor, "L 3 H W"]) -> Float[Tensor, "L c h w"]:
        """The mode of the encoder's distribution.

        Raises:
            PoeError: it is not finite (P0206).
        """
        with evaluating("", self.folder), torch.no_grad():
            seen = (2 * images - 1).to(self.vae.device, self.vae.dtype)
            encoded = self.vae.encode(seen[:, :, None] if self.films else seen)
        latents: Tensor = encoded.latent_dist.mode()
        latents = latents[:, :, 0] if self.films else latents
        if not bool(torch.isfinite(latents).all()):
            kind = str(self.vae.dtype).removeprefix("torch.")
            raise unfit("", self.folder, f"what vae makes of an image is not finite in {kind}")
        loc, scale = self._tiled(latents)
        return (latents.float() - loc) * scale

    def decode(self, latents: Float[Tensor, "L c h w"]) -> Float[Tensor, "L 3 H W"]:
        """Pictures in [0, 1], NaN where the network overflows; differentiable where a gradient is
        taken.
        """
        return in_batches(self._decoded, latents, self.batch)

    def _decoded(self, latents: Float[Tensor, "L c h w"]) -> Float[Tensor, "L 3 H W"]:
        loc, scale = self._tiled(latents)
        scaled = (latents / scale + loc).to(self.vae.dtype)
        with evaluating("", self.folder):
            seen = scaled[:, :, None] if self.films else scaled
            images: Tensor = self.vae.decode(seen, return_dict=False)[0]
        images = images[:, :, 0] if self.films else images
        images = torch.where(torch.isfinite(images), images, math.nan)
        return (images.to(latents.dtype) / 2 + 0.5).clamp(0, 1)

    def _tiled(self, latents: Float[Tensor, "L c h w"]) -> tuple[Tensor, Tensor]:
        """The location and the scale of each latent."""
        side = self.loc.shape[-1]
        tiles = (1, 1, *(n // side for n in latents.shape[-2:]))
        return self.loc.repeat(tiles), self.scale.repeat(tiles)


def decoded_shape(shape: tuple[int, ...], factor: int) -> tuple[int, ...]:
    """The shape (3, H, W) of the image of latents (c, h, w)."""
    return 3, shape[-2] * factor, shape[-1] * factor


def whole(pixels: tuple[int, ...], factor: int) -> tuple[int, ...]:
    """The nearest shape of a colour picture of a whole number of patches."""
    unit = PATCH * factor
    return 3, *(max(unit, unit * round(n / unit)) for n in pixels[-2:])


def resized(image: Float[Tensor, "k H W"], height: int, width: int) -> Float[Tensor, "1 k H2 W2"]:
    """An image of another size, by linear interpolation with antialiasing."""
    whole = image[None].float()
    if image.shape[-2:] == (height, width):
        return whole
    size = (height, width)
    return F.interpolate(whole, size, mode="bilinear", antialias=True, align_corners=False)


#: The location of latents, and the scale that they are multiplied by, for patches of k x k.
Affine = tuple[Float[Tensor, "1 c k k"], Float[Tensor, "1 c k k"]]


def _overall(config: Any, folder: str, device: torch.device) -> Affine:
    """One shift and one scale.

    Raises:
        PoeError: the configuration has those of channels too, which are not followed (P0206).
    """
    for name in BY_CHANNEL:
        if config.get(name) is not None:
            reason = f"`{name}` is set in vae/config.json, which is not followed"
            raise unfit("", folder, reason)
    numbers = float(config.shift_factor or 0.0), float(config.scaling_factor or 1.0)
    loc, scale = torch.tensor(numbers, dtype=torch.float32, device=device).view(2, 1, 1, 1, 1)
    return loc, scale


def _by_channel(config: Any, device: torch.device) -> Affine:
    """The mean and the standard deviation of each channel."""
    numbers = config.latents_mean, config.latents_std
    loc, spread = torch.tensor(numbers, dtype=torch.float32, device=device)[:, None, :, None, None]
    return loc, 1 / spread


def _by_patch(vae: Any) -> Affine:
    """The running mean and variance of a batch normalisation of patches."""
    mean, variance = vae.bn.running_mean.float(), vae.bn.running_var.float()
    spread = (variance + vae.config.batch_norm_eps).sqrt()
    loc, scale = (F.pixel_shuffle(v[None, :, None, None], PATCH) for v in (mean, 1 / spread))
    return loc, scale


@runtime_checkable
class LatentSpace(Protocol):
    """The latent space of an autoencoder, whose latents pictures are made of.

    Attributes:
        folder: of the model. factor: pixels along a side of one latent. span: frames that a latent
            stands for; 1 in pictures. channels: of latents. key: identifies the space.
    """

    folder: str
    factor: int
    span: int
    channels: int
    key: str

    def shape(self, pixels: tuple[int, ...]) -> tuple[int, ...]:
        """The shape (c, h, w) of the latents of an image (3, H, W), or that (c, T, h, w) of those
        of a film (F, 3, H, W).
        """
        ...

    def decoded_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of what latents of a shape stand for."""
        ...

    def whole(self, pixels: tuple[int, ...]) -> tuple[int, ...]:
        """The nearest shape of a colour picture, or a film, that has latents."""
        ...

    def decode(self, latents: Float[Tensor, "L *shape"]) -> Float[Tensor, "L *pixels"]:
        """Pictures or films in [0, 1]; differentiable where a gradient is taken."""
        ...


def in_batches(decode: Callable[[Tensor], Tensor], latents: Tensor, batch: int) -> Tensor:
    """Pictures of so many latents at once, or of all where a gradient is taken."""
    if torch.is_grad_enabled() and latents.requires_grad:
        return decode(latents)
    return torch.cat([decode(part) for part in torch.split(latents, batch)])
