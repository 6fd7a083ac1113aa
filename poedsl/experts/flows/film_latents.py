"""Latents of films, by autoencoders that are causal in time (Wan Team, Wan, 2025, 4.1).

The first frame has latents of its own, and each further latent stands for ``span`` frames: F frames
have (F - 1) / span + 1 of them. The autoencoder of Wan 2.2 5B reads patches of pixels.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.catalog.profiles import Profile
from poedsl.experts.flows.latents import Codec, in_batches
from poedsl.experts.loading.model_errors import evaluating, loading, unfit


def latent_shape(pixels: tuple[int, ...], channels: int, span: int, factor: int) -> tuple[int, ...]:
    """The shape (c, T, h, w) of the latents of a film (F, 3, H, W), whose first frame has its own.

    Args:
        span: frames that a latent stands for, after the first.
        factor: pixels that a latent stands for, along each side.
    """
    frames, _, height, width = pixels
    return channels, (frames - 1) // span + 1, height // factor, width // factor


def film_shape(latents: tuple[int, ...], span: int, factor: int) -> tuple[int, ...]:
    """The shape (F, 3, H, W) of the film of latents (c, T, h, w)."""
    _, times, h, w = latents
    return span * (times - 1) + 1, 3, h * factor, w * factor


def nearest_frames(frames: int, span: int) -> int:
    """The nearest number of frames that latents stand for."""
    return span * max(0, round((frames - 1) / span)) + 1


class FilmCodec(Codec):
    """An autoencoder between films in [0, 1] and latents of about unit variance.

    Args:
        folder: of a model of diffusers with ``vae/``, an ``AutoencoderKLWan``.

    Attributes:
        span: frames that a latent stands for, after the first.

    Raises:
        PoeError: the folder has no such autoencoder, or it cannot be loaded (P0206).
    """

    def __init__(self, folder: str, device: torch.device, profile: Profile) -> None:
        super().__init__(folder, device, profile)
        if type(self.vae).__name__ != "AutoencoderKLWan":
            reason = f"its vae is an {type(self.vae).__name__}, which is none for films"
            raise unfit("", folder, reason)
        with loading("", folder):
            self.factor *= int(self.vae.config.get("patch_size") or 1)
            self.span = int(2 ** sum(self.vae.config.temperal_downsample))
        self.batch = profile.microbatch or 1

    def shape(self, pixels: tuple[int, ...]) -> tuple[int, ...]:
        """The shape (c, T, h, w) of the latents of a film (F, 3, H, W)."""
        return latent_shape(pixels, self.channels, self.span, self.factor)

    def decoded_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return film_shape(shape, self.span, self.factor)

    def whole(self, pixels: tuple[int, ...]) -> tuple[int, ...]:
        _, *picture = super().whole(pixels[1:])
        return nearest_frames(pixels[0], self.span), 3, *picture

    def encode(self, images: Float[Tensor, "L F 3 H W"]) -> Float[Tensor, "L c T h w"]:
        """The mode of the encoder's distribution.

        Raises:
            PoeError: it is not finite (P0206).
        """
        with evaluating("", self.folder), torch.no_grad():
            seen = (2 * images - 1).transpose(1, 2).to(self.vae.device, self.vae.dtype)
            latents: Tensor = self.vae.encode(seen).latent_dist.mode().float()
        if not bool(torch.isfinite(latents).all()):
            raise unfit("", self.folder, "what vae makes of a film is not finite")
        return (latents - self.loc[:, :, None]) * self.scale[:, :, None]

    def decode(self, latents: Float[Tensor, "L c T h w"]) -> Float[Tensor, "L F 3 H W"]:
        return in_batches(self._decoded_films, latents, self.batch)

    def _decoded_films(self, latents: Float[Tensor, "L c T h w"]) -> Float[Tensor, "L F 3 H W"]:
        scaled = latents / self.scale[:, :, None] + self.loc[:, :, None]
        with evaluating("", self.folder):
            films: Tensor = self.vae.decode(scaled.to(self.vae.dtype), return_dict=False)[0]
        films = torch.where(torch.isfinite(films), films, math.nan)
        return (films.to(latents.dtype) / 2 + 0.5).clamp(0, 1).transpose(1, 2)
