"""Schedulers of diffusers, from their configurations: times of flows, noise levels of UNets.

An option is followed by the library's own tables, or it is refused.
"""

from __future__ import annotations

import bisect
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

from poedsl.experts.loading.from_folder import known_options
from poedsl.experts.loading.load_warnings import warn
from poedsl.experts.loading.model_errors import loading, unfit
from poedsl.experts.loading.model_files import read_config

FILE = "scheduler/scheduler_config.json"
#: Schedulers of Gaussian diffusions, whose noise levels are followed.
DIFFUSIONS = ("DDPMScheduler", "DDIMScheduler")
PREDICTIONS = ("epsilon", "sample", "v_prediction")


class FlowScheduler:
    """The scheduler of a rectified flow, a ``FlowMatchEulerDiscreteScheduler``.

    Args:
        folder: of a model of diffusers.

    Attributes:
        time_scale: the network's time at pure noise. dynamic: whether times depend on the size of
            an image.

    Raises:
        PoeError: it is another scheduler, or has options that are not followed (P0206).
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.scheduler = _scheduler(folder, ("FlowMatchEulerDiscreteScheduler",))
        options = self.scheduler.config
        _refuse(folder, options, "invert_sigmas", "stochastic_sampling")
        self.dynamic = bool(options.use_dynamic_shifting)
        with loading("", folder):
            self.time_scale = float(options.num_train_timesteps)

    def times(self, steps: int, tokens: int = 0) -> list[float]:
        """The times of the library's pipelines, from 1 (noise) to 0 (data), ``steps`` + 1 of them.

        Args:
            tokens: the number of patches of an image, for a dynamic shift.

        Raises:
            PoeError: the options give no such times (P0206).
        """
        options = self.scheduler.config
        with loading("", self.folder):
            from diffusers.pipelines.flux.pipeline_flux import calculate_shift

            shift = None
            if self.dynamic:
                lengths = options.base_image_seq_len, options.max_image_seq_len
                shift = calculate_shift(tokens, *lengths, options.base_shift, options.max_shift)
            self.scheduler.set_timesteps(sigmas=[1 - k / steps for k in range(steps)], mu=shift)
            times: list[float] = self.scheduler.sigmas.double().tolist()
        falls = all(a > b for a, b in pairwise(times))
        if not falls or not math.isclose(times[0], 1.0, abs_tol=1e-3):
            reason = f"{FILE} gives no {steps} steps with times that fall from 1 to 0"
            raise unfit("", self.folder, reason)
        return times


class DiffusionScheduler:
    """The noise levels of a Gaussian diffusion, and what its network predicts.

    Args:
        folder: of a model of diffusers. scheduler: that of its pipeline, any that has noise levels;
            that of the folder where left out.

    Attributes:
        sigmas: the noise level at each time, increasing. prediction: ``epsilon``, ``sample`` or
            ``v_prediction``. clip: the absolute value that predicted data are clipped to; None
            for none.

    Raises:
        PoeError: it is another scheduler, or has options that are not followed (P0206).
    """

    def __init__(self, folder: str, scheduler: Any = None) -> None:
        self.folder = folder
        self.scheduler = _scheduler(folder, DIFFUSIONS) if scheduler is None else scheduler
        options = self.scheduler.config
        _refuse(folder, options, "thresholding")
        if "learned" in str(options.get("variance_type")):
            raise unfit("", folder, f"its network also predicts variances ({FILE})")
        self.prediction = str(options.prediction_type)
        if self.prediction not in PREDICTIONS:
            reason = f"its network predicts {self.prediction}, which is none of "
            raise unfit("", folder, reason + ", ".join(PREDICTIONS))
        with loading("", folder):
            self.clip = float(options.clip_sample_range) if options.get("clip_sample") else None
        self.sigmas: list[float] = (1 - self.scheduler.alphas_cumprod.double()).sqrt().tolist()
        if not all(0 < a < b <= 1 for a, b in pairwise(self.sigmas)):
            raise unfit("", folder, f"the noise levels of {FILE} do not increase from 0 to 1")

    def time(self, sigma: float) -> float:
        """The network's time of a noise level, by linear interpolation between two of its own."""
        after = bisect.bisect_left(self.sigmas, sigma)
        if after == 0:
            return 0.0
        if after == len(self.sigmas):
            return float(after - 1)
        low, high = self.sigmas[after - 1], self.sigmas[after]
        return after - 1 + (sigma - low) / (high - low)

    def warn_of_spacing(self) -> None:
        """Warn (P1023) where the folder says where the steps are, and `sample` does."""
        spacing = self.scheduler.config.timestep_spacing
        if spacing != "leading":
            warn(
                "P1023",
                f'`timestep_spacing = "{spacing}"` in {Path(self.folder) / FILE} has no effect: '
                "`sample` says where the steps are",
            )

    def rectified(self, time: float) -> float:
        """The rectified time s = sigma / (alpha + sigma) of a time of the network."""
        before = min(int(time), len(self.sigmas) - 1)
        after = min(before + 1, len(self.sigmas) - 1)
        sigma = self.sigmas[before] + (time - before) * (self.sigmas[after] - self.sigmas[before])
        return sigma / (math.sqrt(1 - sigma**2) + sigma)


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
            _refuse(folder, options, "invert_sigmas", "stochastic_sampling")
        elif hasattr(scheduler, "alphas_cumprod"):
            self.diffusion = DiffusionScheduler(folder, scheduler)
        else:
            reason = f"its scheduler is {name}, neither of a rectified flow nor of noise levels"
            raise unfit("", folder, reason)

    def times(self, asked: tuple[tuple[Any, ...], dict[str, Any]]) -> list[float]:
        """Rectified times from the first step to 0 (data), as a pipeline asks for them.

        Args:
            asked: the arguments of its `set_timesteps`.

        Raises:
            PoeError: they do not fall (P0206).
        """
        positional, named = asked
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


def _scheduler(folder: str, kinds: tuple[str, ...]) -> Any:
    """The scheduler of a model, of one of these classes of diffusers, with all its options."""
    written = read_config(folder, FILE)
    name = written.get("_class_name")
    named = {str(name)}
    if (Path(folder) / "model_index.json").is_file():
        index = read_config(folder, "model_index.json").get("scheduler")
        named |= {str(index[-1])} if isinstance(index, list) and index else set()
    if len(named) > 1:
        both = " and ".join(sorted(named))
        raise unfit("", folder, f"model_index.json and {FILE} name two schedulers: {both}")
    if name not in kinds:
        raise unfit("", folder, f"its scheduler is {name}, not {' or '.join(kinds)}")
    with loading("", folder):
        import diffusers

        kind = getattr(diffusers, str(name))
        known_options(kind, written, FILE)
        return kind.from_config(written)


def _refuse(folder: str, options: Any, *names: str) -> None:
    """Refuse options that are set and not followed.

    Raises:
        PoeError: there are such (P0206).
    """
    found = next((name for name in names if options.get(name)), None)
    if found is not None:
        raise unfit("", folder, f"`{found}` is set in {FILE}, which is not followed")
