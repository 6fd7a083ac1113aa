"""Schedulers of diffusers, from their configurations: times of flows, noise levels of UNets.

An option is followed by the library's own tables, or it is refused.
"""

from __future__ import annotations

import bisect
import inspect
import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

from poedsl.catalog.single_files import configurations
from poedsl.experts.loading.load_warnings import warn
from poedsl.experts.loading.model_errors import loading, unfit
from poedsl.experts.loading.weight_files import known_options, read_config

FILE = "scheduler/scheduler_config.json"
#: Schedulers of rectified flows, and a solver for them of which only the places of the steps are
#: followed.
FLOWS = ("FlowMatchEulerDiscreteScheduler",)
UNIPC = "UniPCMultistepScheduler"
#: Schedulers of Gaussian diffusions, whose noise levels are followed.
DIFFUSIONS = ("DDPMScheduler", "DDIMScheduler")
#: The same, and solvers of diffusers for them, of which only the places of the steps are followed.
SOLVERS = (
    *DIFFUSIONS,
    "PNDMScheduler",
    "LMSDiscreteScheduler",
    "EulerDiscreteScheduler",
    "EulerAncestralDiscreteScheduler",
    "DEISMultistepScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "UniPCMultistepScheduler",
)
#: Options of which one value is followed: with others a network is evaluated at another time than
#: that of the noise level, or between the steps.
FOLLOWED = {"timestep_type": "discrete", "interpolation_type": "linear", "skip_prk_steps": True}
FLOW = "flow_prediction"
PREDICTIONS = ("epsilon", "sample", "v_prediction")


class FlowScheduler:
    """The scheduler of a rectified flow.

    Args:
        folder: of a model of diffusers. kinds: the schedulers whose times are followed.

    Attributes:
        time_scale: the network's time at pure noise. dynamic: whether times depend on the size of
            an image.

    Raises:
        PoeError: it is another scheduler, or has options that are not followed (P0206).
    """

    def __init__(self, folder: str, kinds: tuple[str, ...] = FLOWS) -> None:
        self.folder = folder
        self.scheduler = _scheduler(folder, kinds)
        options = self.scheduler.config
        refuse(folder, options, "invert_sigmas", "stochastic_sampling", "thresholding")
        is_flow = options.get("use_flow_sigmas", True)
        if not is_flow or options.get("prediction_type", FLOW) != FLOW:
            raise unfit("", folder, f"{FILE} is not that of a flow: `use_flow_sigmas` is not set")
        self.dynamic = bool(options.use_dynamic_shifting)
        with loading("", folder):
            self.time_scale = float(options.num_train_timesteps)

    def times(
        self, steps: int, tokens: int = 0, shift: float | None = None, *, uniform_steps: bool = True
    ) -> list[float]:
        """The times of the library's pipelines, from 1 (noise) to 0 (data), ``steps`` + 1 of them.

        Args:
            tokens: the number of patches of an image, for a dynamic shift. shift: that shift, where
                the pipeline has a formula of its own for it.
            uniform_steps: whether the steps are equal before they are shifted, as in pipelines that
                give their scheduler 1, 1 - 1 / steps, ..., or end at its own least time.

        Raises:
            PoeError: the options give no such times (P0206).
        """
        options = self.scheduler.config
        with loading("", self.folder):
            from diffusers.pipelines.flux.pipeline_flux import calculate_shift

            if not self.dynamic:
                shift = None
            elif shift is None:
                lengths = options.base_image_seq_len, options.max_image_seq_len
                shift = calculate_shift(tokens, *lengths, options.base_shift, options.max_shift)
            if uniform_steps:
                sigmas = [1 - k / steps for k in range(steps)]
                self.scheduler.set_timesteps(sigmas=sigmas, mu=shift)
            else:
                self.scheduler.set_timesteps(steps, mu=shift)
            times: list[float] = self.scheduler.sigmas.double().tolist()
        falls = all(a > b for a, b in pairwise(times))
        if not falls or not math.isclose(times[0], 1.0, abs_tol=1e-3):
            reason = f"{FILE} gives no {steps} steps with times that fall from 1 to 0"
            raise unfit("", self.folder, reason)
        return times


class DiffusionScheduler:
    """The noise levels of a Gaussian diffusion, what its network predicts, and where steps are.

    Args:
        folder: of a model of diffusers. kinds: the schedulers whose options are followed.
            scheduler: as its pipeline has it, any that has noise levels; None to read it.

    Attributes:
        sigmas: the noise level at each time, increasing. prediction: ``epsilon``, ``sample`` or
            ``v_prediction``. clip: the absolute value that predicted data are clipped to; None
            for none.

    Raises:
        PoeError: it is another scheduler, or has options that are not followed (P0206).
    """

    def __init__(
        self, folder: str, kinds: tuple[str, ...] = DIFFUSIONS, scheduler: Any = None
    ) -> None:
        self.folder = folder
        self.scheduler = _scheduler(folder, kinds) if scheduler is None else scheduler
        options = self.scheduler.config
        refuse(folder, options, "thresholding", "use_flow_sigmas")
        if "learned" in str(options.get("variance_type")):
            raise unfit("", folder, f"its network also predicts variances ({FILE})")
        for name, value in FOLLOWED.items():
            if options.get(name, value) != value:
                raise unfit("", folder, f"`{name}` in {FILE} is not {json.dumps(value)}")
        self.prediction = str(options.prediction_type)
        if self.prediction not in PREDICTIONS:
            reason = f"its network predicts {self.prediction}, which is none of "
            raise unfit("", folder, reason + ", ".join(PREDICTIONS))
        with loading("", folder):
            self.clip = float(options.clip_sample_range) if options.get("clip_sample") else None
            levels = (1 - self.scheduler.alphas_cumprod.double()).sqrt()
            self.sigmas = [float(level) for level in levels]
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

    def rectified(self, time: float) -> float:
        """The rectified time s = sigma / (alpha + sigma) of a time of the network."""
        before = min(int(time), len(self.sigmas) - 1)
        after = min(before + 1, len(self.sigmas) - 1)
        sigma = self.sigmas[before] + (time - before) * (self.sigmas[after] - self.sigmas[before])
        return sigma / (math.sqrt(1 - sigma**2) + sigma)

    def times(self, steps: int) -> list[float]:
        """The noise levels of the library's steps as rectified times s = sigma / (alpha + sigma),
        falling to 0, ``steps`` + 1 of them.

        Raises:
            PoeError: the options give no such times (P0206).
        """
        with loading("", self.folder):
            self.scheduler.set_timesteps(steps)
            ratios = getattr(self.scheduler, "sigmas", None)
            if ratios is None:
                numbers = dict.fromkeys(self.scheduler.timesteps.tolist())
                levels = [self.sigmas[number] for number in numbers]
                times = [sigma / ((1 - sigma**2) ** 0.5 + sigma) for sigma in levels]
            else:
                times = [ratio / (1 + ratio) for ratio in ratios.double().tolist()[:steps]]
        times = [*times, 0.0]
        if len(times) != steps + 1 or not all(a > b for a, b in pairwise(times)):
            raise unfit("", self.folder, f"{FILE} gives no {steps} steps that fall to 0")
        return times

    def warn_of_spacing(self) -> None:
        """Warn (P1023) where the folder says where the steps are, and `sample` does."""
        spacing = self.scheduler.config.timestep_spacing
        if spacing != "leading":
            file = Path(self.folder) / FILE
            warn(
                "P1023",
                f'`timestep_spacing = "{spacing}"` in {file} has no effect: '
                "`sample` says where the steps are",
                file=str(file),
                timestep_spacing=spacing,
            )


def _scheduler(folder: str, kinds: tuple[str, ...]) -> Any:
    """The scheduler of a model, of one of these classes of diffusers, with all its options."""
    written = read_config(folder, FILE)
    name = written.get("_class_name")
    named = {str(name)}
    if (configurations(folder) / "model_index.json").is_file():
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
        return scheduler(kind, written, FILE)


def scheduler(kind: Any, written: dict[str, Any], file: str) -> Any:
    """A scheduler; options of others that the library exchanges it with have no effect, as there.

    Args:
        kind: its class. written: its configuration, in a file.

    Raises:
        ValueError: it is another one, or has an option that none of them knows.
    """
    taken = inspect.signature(kind.__init__).parameters
    exchanged = {
        name
        for other in kind._get_compatibles()
        for name in inspect.signature(other.__init__).parameters
    }
    followed = {k: v for k, v in written.items() if k in taken or k not in exchanged}
    known_options(kind, followed, file)
    return kind.from_config(followed)


def refuse(folder: str, options: Any, *names: str) -> None:
    """Refuse options that are set and not followed.

    Raises:
        PoeError: there are such (P0206).
    """
    unsupported = next((name for name in names if options.get(name)), None)
    if unsupported is not None:
        raise unfit("", folder, f"`{unsupported}` is set in {FILE}, which is not followed")
