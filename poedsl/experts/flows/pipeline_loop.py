"""The call of a pipeline of diffusers, held at the step of its scheduler.

The call runs in a thread. In the place of its scheduler stands a `Probe`: at each step it hands
over what the pipeline made of its point, after guidance, and returns the next point that is asked
for. The pipeline computes as it does for the library, with gradients where the caller takes them.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from contextlib import ExitStack
from contextvars import copy_context
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, NamedTuple

import torch
from torch import Tensor

#: The steps of a call; a call that has made them all is begun again.
LENGTH = 10_000


class EndOfPipelineCall(BaseException):
    """Ends the call of a pipeline."""


#: The arguments of ``set_timesteps``.
TimestepArguments = tuple[tuple[Any, ...], dict[str, Any]]


class PointRequest(NamedTuple):
    """The next point of a call, its time, and whether gradients are taken."""

    point: Tensor
    time: float
    gradient: bool


class PointAnswer(NamedTuple):
    """What a pipeline made of a point, and the point as its scheduler gets it."""

    output: Tensor
    point: Tensor


class Probe:
    """In the place of a pipeline's scheduler; what it has not itself is the scheduler's.

    Args:
        length: the number of steps that the call is to make; 0 for none, so that what it begins
            with is decoded. time: of the first step, in the units of the scheduler.

    Attributes:
        timestep_arguments: those with which the pipeline set the times of its scheduler.
    """

    init_noise_sigma = 1.0

    def __init__(self, scheduler: Any, length: int, time: float = 0.0) -> None:
        self.scheduler, self.length, self.time = scheduler, length, time
        self.timestep_arguments: TimestepArguments = ((), {})
        self.requests: SimpleQueue[PointRequest | None] = SimpleQueue()
        self.answers: SimpleQueue[PointAnswer | BaseException] = SimpleQueue()
        self.done = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["scheduler"], name)

    def set_timesteps(
        self,
        num_inference_steps: int | None = None,
        device: Any = None,
        timesteps: Any = None,
        sigmas: Any = None,
        mu: float | None = None,
        **more: Any,
    ) -> None:
        """As many times as steps are to be made, each of which is set before its step."""
        named = {"timesteps": timesteps, "sigmas": sigmas, "mu": mu, **more}
        self.timestep_arguments = (
            (num_inference_steps,),
            {k: v for k, v in named.items() if v is not None},
        )
        self.timesteps = torch.full(
            (self.length,), self.time, dtype=torch.float32, device=device or "cpu"
        )
        self.sigmas = torch.linspace(1, 0, self.length + 1, dtype=torch.float32, device="cpu")
        self.num_inference_steps = self.length
        self.times_set()

    def times_set(self) -> None:
        """Go on with the call."""

    def set_begin_index(self, begin_index: int = 0) -> None:
        """Steps are not counted here."""

    def scale_model_input(self, sample: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Points are in variance-preserving coordinates, as networks take them."""
        return sample

    def step(
        self,
        model_output: Tensor,
        timestep: Any,
        sample: Tensor,
        *args: Any,
        return_dict: bool = True,
        **kwargs: Any,
    ) -> Any:
        """Hand over an output, and wait for the next point."""
        self.answers.put(PointAnswer(model_output, sample))
        del model_output, sample
        request = self.requests.get()
        if request is None:
            raise EndOfPipelineCall
        self.done += 1
        if self.done < self.length:
            # The loop has views of this tensor, and autograd may have saved one of them.
            self.timesteps.data[self.done] = request.time
        torch.set_grad_enabled(request.gradient)
        if not return_dict:
            return (request.point,)
        from diffusers.schedulers.scheduling_utils import SchedulerOutput

        return SchedulerOutput(prev_sample=request.point)


class TimesProbe(Probe):
    """A probe that ends the call as soon as the pipeline sets the times of its scheduler."""

    def times_set(self) -> None:
        raise EndOfPipelineCall


def timestep_arguments(call: Callable[[], Any], probe: TimesProbe) -> TimestepArguments:
    """How a pipeline sets the times of its scheduler.

    Raises:
        ValueError: it sets none.
    """
    try:
        call()
    except EndOfPipelineCall:
        return probe.timestep_arguments
    raise ValueError("its call sets no times of its scheduler")


def _run(call: Callable[[], Any], probe: Probe, device: torch.device, autocast: Any) -> None:
    """Call a pipeline in this thread, whose modes of torch are those of its maker."""
    try:
        with ExitStack() as stack:
            if device.type == "cuda":
                stack.enter_context(torch.cuda.device(device))
            stack.enter_context(autocast)
            stack.enter_context(torch.no_grad())
            call()
        probe.answers.put(StopIteration())
    except EndOfPipelineCall:
        pass
    except BaseException as error:
        probe.answers.put(error)


def _end(probe: Probe, thread: threading.Thread) -> None:
    probe.requests.put(None)
    if thread is not threading.current_thread():
        thread.join()


@dataclass(slots=True, weakref_slot=True)
class PipelineLoop:
    """The call of a pipeline for one number of particles, from its first step on.

    Args:
        call: the pipeline's, with ``probe`` in the place of its scheduler. device: of its networks.

    Attributes:
        first: what it made of the noise that it begins with. end: ends the call and its thread, as
            happens by itself when nothing refers to the loop, and when the program ends.

    Raises:
        Exception: whatever the call raises.
    """

    call: Callable[[], Any]
    probe: Probe
    device: torch.device
    first: PointAnswer = field(init=False)
    thread: threading.Thread = field(init=False)
    end: Callable[[], Any] = field(init=False)

    def __post_init__(self) -> None:
        kind = self.device.type
        enabled = torch.is_autocast_enabled(kind)
        autocast = torch.autocast(kind, torch.get_autocast_dtype(kind), enabled=enabled)
        context = copy_context()
        arguments = (_run, self.call, self.probe, self.device, autocast)
        self.thread = threading.Thread(
            target=context.run, args=arguments, name="poedsl-pipeline", daemon=True
        )
        self.end = weakref.finalize(self, _end, self.probe, self.thread)
        self.thread.start()
        self.first = self._answer()

    @property
    def spent(self) -> bool:
        """Whether it has made all of its steps."""
        return self.probe.done >= self.probe.length - 1

    def evaluate(self, point: Tensor, time: float) -> PointAnswer:
        """What the pipeline makes of a point at a time; differentiable in the point."""
        self.probe.requests.put(PointRequest(point, time, torch.is_grad_enabled()))
        return self._answer()

    def _answer(self) -> PointAnswer:
        answer = self.probe.answers.get()
        if isinstance(answer, StopIteration):
            raise ValueError("its call ended before its steps were made")
        if isinstance(answer, BaseException):
            raise answer
        return answer
