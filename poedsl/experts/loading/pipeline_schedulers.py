"""Schedulers of pipelines of diffusers whose own call sets its times."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from poedsl.experts.loading.model_errors import loading, unfit
from poedsl.experts.loading.schedulers import FILE, DiffusionScheduler, refuse


class PipelineScheduler:
    """The scheduler of a pipeline whose own call sets its times.

    Args:
        folder: of the pipeline. scheduler: as it was loaded.

    Attributes:
        diffusion: its noise levels; None for a rectified flow. time_scale: of a flow, its time at
            pure noise.

    Raises:
        PoeError: it is neither a rectified flow nor a Gaussian diffusion, or has options that are
            not followed (P0206).
    """

    def __init__(self, folder: str, scheduler: Any) -> None:
        self.folder, self.scheduler = folder, scheduler
        options, name = scheduler.config, type(scheduler).__name__
        self.diffusion: DiffusionScheduler | None = None
        self.time_scale = float(options.get("num_train_timesteps", 1000))
        flow = name.startswith("FlowMatch") or options.get("prediction_type") == "flow_prediction"
        if flow:
            refuse(folder, options, "invert_sigmas", "stochastic_sampling")
        elif hasattr(scheduler, "alphas_cumprod"):
            self.diffusion = DiffusionScheduler(folder, scheduler=scheduler)
        else:
            reason = f"its scheduler is {name}, neither of a rectified flow nor of noise levels"
            raise unfit("", folder, reason)

    def times(self, arguments: tuple[tuple[Any, ...], dict[str, Any]]) -> list[float]:
        """Rectified times from the first step to 0 (data), as a pipeline asks for them.

        Args:
            asked: the arguments of its `set_timesteps`.

        Raises:
            PoeError: they do not fall (P0206).
        """
        positional, named = arguments
        with loading("", self.folder):
            scheduler = type(self.scheduler).from_config(self.scheduler.config)
            scheduler.set_timesteps(*positional, **named)
            steps = [float(t) for t in scheduler.timesteps]
        if self.diffusion is None:
            times = [t / self.time_scale for t in steps]
        else:
            times = [self.diffusion.rectified(t) for t in steps]
        times = [s for s in dict.fromkeys(times) if s > 0]
        if not times or not all(a > b for a, b in pairwise(times)) or times[0] > 1.001:
            raise unfit("", self.folder, f"{FILE} gives no times that fall from 1 to 0")
        return [*times, 0.0]
