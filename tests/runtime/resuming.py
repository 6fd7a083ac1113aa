"""Programs whose runs are resumed, and what is compared of their results."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

import poedsl
from poedsl.catalog.profiles import DEFAULT, Profile
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.core.state import SavedState, packed, unpacked
from poedsl.runtime.results.saved_files import as_json, detail_tensors, particle_tensors
from poedsl.runtime.run import Run

#: What clocks and the operating system say of a run.
MEASURED = frozenset({"seconds", "peak_memory"})


def without_measurements(data: Any) -> Any:
    """The content of ``result.json`` without clock times and memory."""
    if isinstance(data, dict):
        return {k: without_measurements(v) for k, v in data.items() if k not in MEASURED}
    return [without_measurements(v) for v in data] if isinstance(data, list) else data


def prepared(
    plan: poedsl.Plan,
    *,
    seed: int = 3,
    profile: Profile = DEFAULT,
    device: str = "cpu",
    **more: Any,
) -> Run:
    settings = RunSettings(
        seed=seed,
        device=device,
        shown_stages=3,
        folder=plan.base,
        profile=profile,
        code=plan.code,
    )
    return Run(plan.bound().spec, settings, **more)


def finished(job: Run) -> tuple[Any, dict[str, Tensor]]:
    """What files would hold of a run, without measurements."""
    for _ in job.stages():
        pass
    result = job.result()
    tensors = {**particle_tensors(result), **detail_tensors(result)}
    if result.predicted_endpoints is not None:
        tensors["predicted_endpoints"] = result.predicted_endpoints.endpoints
    if result.snapshots is not None:
        for stage in result.snapshots.stages:
            tensors |= {
                f"snapshots.{stage.t}": stage.endpoints,
                f"weights.{stage.t}": stage.log_weights,
            }
    return without_measurements(as_json(result)), tensors


def same(a: tuple[Any, dict[str, Tensor]], b: tuple[Any, dict[str, Tensor]]) -> bool:
    """Whether two runs agree in every bit."""
    return (
        repr(a[0]) == repr(b[0])
        and a[1].keys() == b[1].keys()
        and all(x.dtype == b[1][n].dtype and same_bits(x, b[1][n]) for n, x in a[1].items())
    )


def same_bits(a: Tensor, b: Tensor) -> bool:
    plain = [x.detach().cpu().contiguous().reshape(-1).view(torch.uint8) for x in (a, b)]
    return a.shape == b.shape and torch.equal(*plain)


def states(
    plan: poedsl.Plan, profile: Profile = DEFAULT, device: str = "cpu"
) -> tuple[list[SavedState], tuple[Any, dict[str, Tensor]]]:
    """The state after every stage of a run, as a file would hold it, and what the run found."""
    kept: list[tuple[str, dict[str, Tensor]]] = []

    def keep(job: Run) -> None:
        text, tensors = packed(job.state())
        kept.append((text, {name: x.clone() for name, x in tensors.items()}))

    found = finished(prepared(plan, profile=profile, device=device, between_stages=keep))
    return [unpacked(*saved, torch.device(device)) for saved in kept], found
