"""Any pipeline of diffusers with one loop as an expert, through the library's own call.

A rectified flow gives v = eps - x_1 at z = (1 - s) x_1 + s eps and time T s, a Gaussian diffusion
what its scheduler's ``prediction_type`` says at a point of the path itself, both after guidance.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.catalog.pipeline_calls import pipeline_call
from poedsl.catalog.pipeline_signatures import parameters
from poedsl.catalog.profiles import Profile
from poedsl.experts.flows.latent_flow import snapped
from poedsl.experts.flows.pipeline_layout import LatentLayout
from poedsl.experts.flows.pipeline_loop import (
    LENGTH,
    PipelineLoop,
    Probe,
    TimesProbe,
    timestep_arguments,
)
from poedsl.experts.flows.pipeline_view import PipelineView
from poedsl.experts.flows.rectified import RectifiedFlow
from poedsl.experts.flows.variance_preserving import VariancePreserving
from poedsl.experts.loading.libraries import library_warnings
from poedsl.experts.loading.load_warnings import warn
from poedsl.experts.loading.model_errors import evaluating, loading, unfit
from poedsl.experts.loading.pipeline_schedulers import PipelineScheduler

#: The numbers of particles whose calls are held at once.
HELD = 4
#: By how much two evaluations at one point may differ, relative to their size.
ROUNDING = 1e-2


def pipeline_flow(
    folder: str, shape: tuple[int, ...], device: torch.device, profile: Profile, **arguments: Any
) -> PipelineFlow | PipelineDiffusion:
    """The expert of a pipeline.

    Args:
        folder: of the pipeline. shape: (c, h, w) of what it samples, or (c, T, h, w) of films.
            arguments: arguments of its call: texts, numbers, pictures (3, H, W) and masks (H, W) in
            [0, 1].

    Raises:
        PoeError: the folder cannot be used as it is, or its loop is no place to take a velocity
            from (P0206, P0211).
    """
    model = PipelineModel(folder, shape, device, profile, arguments)
    return PipelineFlow(model) if model.scheduler.diffusion is None else PipelineDiffusion(model)


class PipelineModel:
    """The network of a pipeline at given points and times, evaluated by the pipeline's own call.

    There is a call for each number of particles that was evaluated of late.

    Args:
        as of `pipeline_flow`.

    Attributes:
        snaps: whether its network rounds time. calls_per_evaluation: of its network for one
            particle, two where it is guided without a condition.
    """

    def __init__(
        self,
        folder: str,
        shape: tuple[int, ...],
        device: torch.device,
        profile: Profile,
        arguments: Mapping[str, Any],
    ) -> None:
        self.device = torch.device(profile.device) if profile.device else device
        self.folder, self.shape = folder, shape
        self.view = PipelineView(folder, self.device, profile)
        known_arguments(folder, self.view.kind, arguments)
        self.arguments = {k: v for k, v in arguments.items() if v is not None}
        self.scheduler = PipelineScheduler(folder, self.view.scheduler)
        self.snaps = self.view.dtype == torch.bfloat16
        self.loops: OrderedDict[int, PipelineLoop] = OrderedDict()
        self.messages: set[str] = set()
        self.layout, self.calls_per_evaluation = self.examined()

    def examined(self) -> tuple[LatentLayout, int]:
        """How the pipeline lays out its points, and how often it calls its network for each, as
        the call of one particle shows.

        Raises:
            PoeError: the same point gives two results, or another point arrives at the scheduler
                than was given (P0211), or the points are laid out in no known way (P0206).
        """
        with evaluating("", self.folder), torch.no_grad():
            loop = self.loop(1)
            first = loop.first
            with self.view.counted() as rows:
                again = loop.evaluate(first.point, loop.probe.time)
            layout = self.view.layout(self.shape, first.point)
            if first.output.shape != first.point.shape:
                shape = " x ".join(map(str, first.output.shape[1:]))
                raise ValueError(f"its network predicts {shape}, which its points are not")
            same = alike(first.point, again.point) and alike(first.output, again.output)
        if not same:
            reason = "its call depends on earlier steps, so that it has no velocity at a point"
            raise unfit("", self.folder, reason, code="P0211")
        return layout, max(1, sum(rows))

    def loop(self, count: int) -> PipelineLoop:
        """The call for a number of particles, begun where there is none."""
        held = self.loops.pop(count, None)
        if held is None or held.spent:
            held = None
            while len(self.loops) >= HELD:
                self.loops.popitem(last=False)
            time = self.scheduler.time_scale / 2
            probe = Probe(self.view.scheduler, LENGTH, time)
            call = self.view.call(probe, count, self.shape, self.arguments)
            with library_warnings() as messages:
                held = PipelineLoop(call, probe, self.device)
            for message in messages - self.messages:
                full_message = f"the pipeline in {self.folder} says: {message}"
                warn("P1024", full_message, folder=self.folder, text=message)
            self.messages.update(messages)
        self.loops[count] = held
        return held

    def evaluate(self, z: Float[Tensor, "L D"], time: float) -> Float[Tensor, "L D"]:
        """What the pipeline makes of points at a time of its scheduler; differentiable."""
        if not self.view.batched and len(z) > 1:
            return torch.cat([self.evaluate(row[None], time) for row in z])
        notes = ("`microbatch = 1` in a profile evaluates particles one by one",)
        with evaluating("", self.folder, *(notes if len(z) > 1 else ())):
            try:
                loop = self.loop(len(z))
                points = self.layout.packed(z.reshape(len(z), *self.shape).to(self.device))
                output = loop.evaluate(points.to(loop.first.point.dtype), time).output
            except BaseException:
                self.loops.pop(len(z), None)
                raise
            return self.layout.unpacked(output).reshape(z.shape).to(z)

    def times(self, steps: int, shape: tuple[int, ...], *, snaps: bool) -> list[float]:
        """The times of the pipeline's own call for a picture of a size, from 1 to 0."""
        probe = TimesProbe(self.view.scheduler, steps)
        call = self.view.call(probe, 1, shape, self.arguments)
        with loading("", self.folder), torch.no_grad():
            arguments = timestep_arguments(call, probe)
        times = self.scheduler.times(arguments)
        if len(times) != steps + 1:
            reason = f"its scheduler makes {len(times) - 1} steps of {steps}"
            raise unfit("", self.folder, reason, "another number of `steps` may do")
        return [*map(snapped, times)] if snaps else times


class PipelineFlow(RectifiedFlow):
    """A rectified flow in a pipeline, as a `Scheduled`."""

    inference_mode = False

    def __init__(self, model: PipelineModel) -> None:
        self.model, self.snaps, self.times = model, model.snaps, model.times
        self.calls_per_evaluation = model.calls_per_evaluation

    def velocity(self, z: Float[Tensor, "L D"], s: float) -> Float[Tensor, "L D"]:
        return self.model.evaluate(z, self.model.scheduler.time_scale * s)


class PipelineDiffusion(VariancePreserving):
    """A Gaussian diffusion in a pipeline, as a `Scheduled`."""

    inference_mode = False

    def __init__(self, model: PipelineModel) -> None:
        assert model.scheduler.diffusion is not None
        self.scheduler = model.scheduler.diffusion
        self.model, self.snaps, self.times = model, False, model.times
        self.calls_per_evaluation = model.calls_per_evaluation

    def predict(self, x: Float[Tensor, "L D"], time: float) -> Float[Tensor, "L D"]:
        return self.model.evaluate(x, time)


def known_arguments(folder: str, kind: str, arguments: Mapping[str, Any]) -> None:
    """Whether the installed library's pipeline takes what a plan gives.

    Raises:
        PoeError: it does not (P0206).
    """
    call = pipeline_call(kind)
    names = set() if call is None else {p.name for p in parameters(call)}
    unknown = sorted(set(arguments) - names)
    if unknown:
        raise unfit("", folder, f"the call of a {kind} takes no `{unknown[0]}`")


def alike(one: Tensor, other: Tensor) -> bool:
    """Whether two results are the same but for rounding; what is not finite is left out."""
    one, other = (t.float().nan_to_num(0.0, 0.0, 0.0) for t in (one, other))
    off, scale = ((t.square().mean().sqrt()) for t in (one - other, one))
    return bool(off <= ROUNDING * scale)
