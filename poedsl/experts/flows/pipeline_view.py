"""The call of a pipeline of diffusers for one expert, without its random draws."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Any

import torch
from torch import Tensor

from poedsl.catalog.pipeline_calls import CACHES, FRAMES
from poedsl.catalog.profiles import Profile
from poedsl.experts.flows.content_keys import content_key
from poedsl.experts.flows.pipeline_layout import LatentLayout, layout, layouts
from poedsl.experts.flows.pipeline_loop import Probe
from poedsl.experts.loading.dtypes import network_dtype
from poedsl.experts.loading.model_errors import unfit
from poedsl.experts.loading.pipelines import loaded_pipeline
from poedsl.experts.loading.prompts import warn_if_cut

#: Parameters that say for how many particles a pipeline is called.
_COUNTS = ("num_images_per_prompt", "num_videos_per_prompt", "batch_size")
#: Attributes of pipelines for the pixels along a side of one latent; those of films come first,
#: which have others for the frames that a latent stands for.
_FACTORS = (
    "vae_scale_factor_spatial",
    "vae_spatial_compression_ratio",
    "vae_spatial_scale_factor",
    "vae_scale_factor",
)
_SPANS = (
    "vae_scale_factor_temporal",
    "vae_temporal_compression_ratio",
    "vae_temporal_scale_factor",
)
#: Methods that read prompts and pictures.
_READERS = ("encode_prompt", "_encode_prompt", "encode_image")
#: What of a folder was read, for how many calls it is kept.
KEPT = 64


class PipelineView:
    """A pipeline whose networks other experts share.

    Prompts are encoded once, and autoencoders give the mode of their distribution.

    Args:
        folder: of the pipeline. device: of its networks.

    Attributes:
        kind: the name of its class. batched: whether it is called for several particles at once.

    Raises:
        PoeError: a part cannot be loaded (P0206).
    """

    def __init__(self, folder: str, device: torch.device, profile: Profile) -> None:
        self.folder, self.device = folder, device
        self.dtype = network_dtype(profile, device)
        self.pipe = copy.copy(loaded_pipeline(folder, device, profile))
        self.kind, self.scheduler = type(self.pipe).__name__, self.pipe.scheduler
        call = type(self.pipe).__call__
        self.function = inspect.unwrap(call)
        self.takes = inspect.signature(self.function).parameters
        self.count = next((name for name in _COUNTS if name in self.takes), "")
        self.batched = bool(self.count)
        self.kept: dict[str, Any] = {}
        self._attach()

    def _attach(self) -> None:
        """Replace random draws, and watch tokenizers, in this view alone."""
        parts = self.pipe.__dict__
        for name, part in list(self.pipe.components.items()):
            if hasattr(part, "encode") and isinstance(part, torch.nn.Module):
                parts[name] = mode_of(part)
            elif name.startswith("tokenizer") and callable(part):
                parts[name] = watched(name, part)

    @contextmanager
    def counted(self) -> Iterator[list[int]]:
        """How many rows its network gets, a number for each of its calls in the block."""
        rows: list[int] = []

        def count(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            first = next((v for v in (*args, *kwargs.values()) if isinstance(v, Tensor | list)), ())
            rows.append(len(first))

        parts = self.pipe.components
        network = next((parts[n] for n in ("transformer", "unet") if parts.get(n)), None)
        if network is None:
            raise unfit("", self.folder, "it has neither a transformer nor a unet")
        handle = network.register_forward_pre_hook(count, with_kwargs=True)
        try:
            yield rows
        finally:
            handle.remove()

    def layout(self, latents: tuple[int, ...], point: Tensor) -> LatentLayout:
        """How a point of the pipeline holds latents (c, h, w), or (c, T, h, w) of films."""
        return layout(self.pipe, self.folder, latents, point)

    def layouts(self, latents: tuple[int, ...]) -> list[LatentLayout]:
        """How the pipeline may hold latents (c, h, w), or (c, T, h, w) of films."""
        return layouts(self.pipe, self.folder, latents, self.device)

    @property
    def factor(self) -> int:
        """Pixels along a side of one latent; 1 where there is no autoencoder."""
        return self._number(_FACTORS)

    @property
    def span(self) -> int:
        """Frames that one latent stands for, after the first; 1 in pictures."""
        return self._number(_SPANS)

    def _number(self, names: tuple[str, ...]) -> int:
        """The first of some attributes that the pipeline has; 1 where it has none."""
        numbers = (getattr(self.pipe, name, None) for name in names)
        return int(next((number for number in numbers if number), 1))

    @property
    def channels(self) -> int:
        """Channels of latents.

        Raises:
            PoeError: the configuration of its autoencoder does not say (P0206).
        """
        config = self.pipe.vae.config
        channels = config.get("latent_channels") or config.get("z_dim")
        if not isinstance(channels, int):
            raise unfit("", self.folder, "vae/config.json does not say its `latent_channels`")
        return channels

    def call(
        self,
        probe: Probe,
        count: int,
        shape: tuple[int, ...],
        passed: Mapping[str, Any],
        **more: Any,
    ) -> Callable[[], Any]:
        """The pipeline's call, without arguments.

        Args:
            probe: in the place of its scheduler. shape: (c, h, w) of its latents, or (c, T, h, w)
                of films. passed: arguments of the program. more: other arguments.
        """
        pipe = copy.copy(self.pipe)
        pipe.__dict__["scheduler"] = probe
        for name in _READERS:
            if hasattr(pipe, name):
                pipe.__dict__[name] = read_once(getattr(pipe, name), self.kept)
        generator = torch.Generator(self.device).manual_seed(0)
        height, width = (n * self.factor for n in shape[-2:])
        run = {
            "height": height,
            "width": width,
            "max_area": height * width,
            FRAMES: 1 if len(shape) < 4 else self.span * (shape[1] - 1) + 1,
            "num_inference_steps": max(probe.length, 1),
            "generator": generator,
            "output_type": "latent",
            "use_resolution_binning": False,
            CACHES: False,
            self.count: count,
            **more,
        }
        arguments = {k: v for k, v in run.items() if k in self.takes}
        arguments |= {k: as_given(v) for k, v in passed.items()}
        function = self.function
        return lambda: function(pipe, **arguments)


def as_given(value: Any) -> Any:
    """An argument as pipelines take it: pictures and masks are images of PIL."""
    if not isinstance(value, Tensor):
        return value
    from PIL import Image

    levels = (value.float().clamp(0, 1) * 255).round().byte().cpu()
    if levels.dim() == 2:
        return Image.fromarray(levels.numpy())
    picture = levels if len(levels) == 3 else levels[:1].expand(3, -1, -1)
    return Image.fromarray(picture.permute(1, 2, 0).contiguous().numpy())


def mode_of(autoencoder: Any) -> Any:
    """An autoencoder whose distributions have no width, so that conditions are their modes."""
    narrow, encode = copy.copy(autoencoder), autoencoder.encode

    @wraps(encode)
    def encoded(*args: Any, **kwargs: Any) -> Any:
        out = encode(*args, **kwargs)
        distribution = getattr(out, "latent_dist", out[0])
        if hasattr(distribution, "std"):
            distribution.std = distribution.var = torch.zeros_like(distribution.mean)
        return out

    narrow.__dict__["encode"] = encoded
    return narrow


def read_once(reader: Callable[..., Any], kept: dict[str, Any]) -> Callable[..., Any]:
    """A reader of prompts or pictures that keeps its results, and looks for them first."""

    @wraps(reader)
    def read(*args: Any, **kwargs: Any) -> Any:
        key = content_key((reader.__name__, args, kwargs))
        if key in kept:
            return kept[key]
        with torch.no_grad():
            result = reader(*args, **kwargs)
        if key:
            while len(kept) >= KEPT:
                kept.pop(next(iter(kept)))
            kept[key] = result
        return result

    return read


def watched(name: str, tokenizer: Any) -> Any:
    """A tokenizer that warns (P1022) of texts that it cuts."""
    warned: set[str] = set()

    def called(self: Any, text: Any = None, *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("truncation"):
            texts = [text] if isinstance(text, str) else text or []
            for one in texts:
                if isinstance(one, str) and one not in warned:
                    warned.add(one)
                    warn_if_cut(name, tokenizer, one, kwargs.get("max_length"))
        return kind.__call__(self, text, *args, **kwargs)

    kind = type(tokenizer)
    copied = copy.copy(tokenizer)
    copied.__class__ = type(kind.__name__, (kind,), {"__call__": called})
    return copied
