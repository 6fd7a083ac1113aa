"""Latent spaces of pipelines whose autoencoder a `Codec` does not read: pictures by their call.

A call with no steps decodes the latents that it begins with, by the pipeline's own scaling.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.catalog.pipeline_calls import pipeline_call
from poedsl.catalog.pipeline_signatures import parameters
from poedsl.catalog.profiles import Profile
from poedsl.experts.flows.autoencoder_folders import fingerprint, reads, settings
from poedsl.experts.flows.film_latents import (
    FilmCodec,
    film_shape,
    latent_shape,
    nearest_frames,
)
from poedsl.experts.flows.latents import BATCH, Codec, LatentSpace, decoded_shape, in_batches, whole
from poedsl.experts.flows.pipeline_layout import LatentLayout
from poedsl.experts.flows.pipeline_loop import Probe
from poedsl.experts.flows.pipeline_view import PipelineView
from poedsl.experts.loading.model_errors import loading, unfit
from poedsl.experts.loading.shared_networks import FILMS
from poedsl.experts.loading.weight_files import read_config
from poedsl.grammar.errors import PoeError


def latent_space(folder: str, device: torch.device, profile: Profile) -> LatentSpace:
    """The latent space of a folder with an autoencoder, by the autoencoder alone if that will do.

    Raises:
        PoeError: it cannot be loaded (P0206).
    """
    if reads(read_config(folder, "vae")):
        return Codec(folder, device, profile)
    return PipelineCodec(folder, device, profile)


def film_space(folder: str, device: torch.device, profile: Profile) -> LatentSpace:
    """The same of films.

    Raises:
        PoeError: it cannot be loaded (P0206).
    """
    if read_config(folder, "vae").get("_class_name") == FILMS:
        return FilmCodec(folder, device, profile)
    return PipelineFilmCodec(folder, device, profile)


class PipelineCodec:
    """A `LatentSpace` whose pictures a pipeline's own call decodes.

    Args:
        folder: of the pipeline.

    Raises:
        PoeError: a part of it cannot be loaded (P0206).
    """

    def __init__(self, folder: str, device: torch.device, profile: Profile) -> None:
        self.device = torch.device(profile.device) if profile.device else device
        self.folder, self.view = folder, PipelineView(folder, self.device, profile)
        self.factor, self.channels = self.view.factor, self.view.channels
        self.span = 1
        self.key = fingerprint(folder, settings(read_config(folder, "vae")))
        self.batch = profile.microbatch or BATCH
        self.chosen: dict[tuple[int, ...], LatentLayout] = {}

    def shape(self, pixels: tuple[int, ...]) -> tuple[int, ...]:
        """The shape (c, h, w) of the latents of an image (3, H, W)."""
        _, height, width = pixels
        return self.channels, height // self.factor, width // self.factor

    def decoded_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the pictures of latents of a shape."""
        return decoded_shape(shape, self.factor)

    def whole(self, pixels: tuple[int, ...]) -> tuple[int, ...]:
        """The nearest shape of a colour picture of a whole number of patches."""
        return whole(pixels, self.factor)

    def decode(self, latents: Float[Tensor, "L *shape"]) -> Float[Tensor, "L *pixels"]:
        """Pictures or films in [0, 1], NaN where the network overflows; differentiable where a
        gradient is taken.

        Raises:
            PoeError: the pipeline makes no pictures of them (P0206).
        """
        return in_batches(self._decoded, latents, self.batch if self.view.batched else 1)

    def _decoded(self, latents: Float[Tensor, "L *shape"]) -> Float[Tensor, "L *pixels"]:
        shape = tuple(latents.shape[1:])
        if shape not in self.chosen:
            self.chosen[shape] = self._layout(latents[:1].detach(), shape)
        with loading("", self.folder):
            images = self._pictures(latents, self.chosen[shape])
        return torch.where(torch.isfinite(images), images, math.nan).to(latents)

    def _layout(self, latents: Tensor, shape: tuple[int, ...]) -> LatentLayout:
        """The layout of the latents that the call takes: the first that it makes a picture of."""
        reasons: list[str] = []
        for layout in self.view.layouts(shape):
            try:
                with loading("", self.folder), torch.no_grad():
                    self._pictures(latents, layout)
            except PoeError as error:
                reasons += [d.message for d in error.diagnostics]
            else:
                return layout
        reason = f"its call decodes no latents of {' x '.join(map(str, shape))}"
        raise unfit("", self.folder, reason, *dict.fromkeys(reasons))

    def _pictures(self, latents: Tensor, layout: LatentLayout) -> Tensor:
        count, *shape = latents.shape
        points = layout.packed(latents.to(self.device)).to(self.view.dtype)
        probe = Probe(self.view.scheduler, 0)
        begun = {"latents": points, "output_type": "pt", "return_dict": False}
        call = self.view.call(probe, count, tuple(shape), self._nothing(shape), **begun)
        images: Tensor = call()[0]
        if tuple(images.shape) != (count, *self.decoded_shape(tuple(shape))):
            raise ValueError(f"what it decodes has the shape {list(images.shape)}")
        return images

    def _nothing(self, shape: list[int]) -> dict[str, Any]:
        """Arguments that its call needs, and that have no part in decoding."""
        call = pipeline_call(self.view.kind)
        height, width = (n * self.factor for n in shape[-2:])
        values = {
            "Text": "",
            "Image": torch.full((3, height, width), 0.5, dtype=torch.float32, device="cpu"),
            "Mask": torch.ones(height, width, dtype=torch.float32, device="cpu"),
        }
        needed = () if call is None else (p for p in parameters(call) if p.required)
        return {p.name: values[p.type.name] for p in needed if p.type and p.type.name in values}


class PipelineFilmCodec(PipelineCodec):
    """The same of films, whose first frame has latents of its own.

    Args:
        folder: of the pipeline.

    Attributes:
        span: frames that a latent stands for, after the first.
    """

    def __init__(self, folder: str, device: torch.device, profile: Profile) -> None:
        super().__init__(folder, device, profile)
        self.span = self.view.span
        self.batch = profile.microbatch or 1

    def shape(self, pixels: tuple[int, ...]) -> tuple[int, ...]:
        """The shape (c, T, h, w) of the latents of a film (F, 3, H, W)."""
        return latent_shape(pixels, self.channels, self.span, self.factor)

    def decoded_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return film_shape(shape, self.span, self.factor)

    def whole(self, pixels: tuple[int, ...]) -> tuple[int, ...]:
        _, *picture = super().whole(pixels[1:])
        return nearest_frames(pixels[0], self.span), 3, *picture
