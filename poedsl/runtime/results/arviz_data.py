"""A result as data of ArviZ: an `InferenceData` of its versions before 1, else a tree of xarray."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from poedsl.compiler.plan.plan import PlanSpec
from poedsl.runtime.smc.records import StageRecord

if TYPE_CHECKING:
    import xarray

#: The dimensions of draws.
_DRAWS = ("chain", "draw")
#: The dimensions of arrays of the stages that have more than one.
_OF_STAGES = {
    "eve_indices": ("stage", "particle"),
    "parents": ("stage", "particle"),
    "rewards": ("stage", "quantile"),
}


@runtime_checkable
class ConvertedRun(Protocol):
    """What ArviZ data hold of a result; `Result` describes the attributes."""

    @property
    def plan(self) -> PlanSpec: ...
    @property
    def seed(self) -> int: ...
    @property
    def particles(self) -> Mapping[str, Tensor]: ...
    @property
    def reports(self) -> Mapping[str, Tensor]: ...
    @property
    def log_weights(self) -> Tensor: ...
    @property
    def log_values(self) -> Mapping[str, Tensor]: ...
    @property
    def log_evidence(self) -> float | None: ...
    @property
    def log_evidence_se(self) -> float | None: ...
    @property
    def stages(self) -> tuple[StageRecord, ...]: ...
    @property
    def eve_indices(self) -> Tensor: ...
    @property
    def parents(self) -> Tensor: ...


def arviz_data(
    result: ConvertedRun, draws: list[Tensor], more: Mapping[str, xarray.Dataset]
) -> Any:
    """The posterior, statistics of its draws, and the stages.

    Args:
        draws: the slots of the draws of each chain.
        more: groups that concern data.
    """
    import arviz

    index = torch.stack(draws)
    eve_indices = result.eve_indices.cpu()
    logs = {
        "log_weight": result.log_weights,
        **{f"log_{n}": v for n, v in result.log_values.items()},
    }
    statistics = {"particle": index, "eve_index": eve_indices[-1][index]}
    statistics |= {name: v.cpu()[index] for name, v in logs.items()}
    records = {f.name: [getattr(s, f.name) for s in result.stages] for f in fields(StageRecord)}
    stages = {n: np.array(v, float) for n, v in records.items() if any(x is not None for x in v)}
    stages |= {"eve_indices": eve_indices.numpy(), "parents": result.parents.cpu().numpy()}
    groups = {
        "posterior": of_draws(rows({**result.particles, **result.reports}, index)),
        "sample_stats": of_draws({name: v.numpy() for name, v in statistics.items()}),
        "stages": dataset({n: (_OF_STAGES.get(n, ("stage",)), v) for n, v in stages.items()}),
        **more,
    }
    attributes: dict[str, Any] = {
        "program": result.plan.program,
        "plan_hash": result.plan.hash,
        "seed": result.seed,
        "log_evidence": result.log_evidence,
        "log_evidence_se": result.log_evidence_se,
    }
    attributes = {name: value for name, value in attributes.items() if value is not None}
    if hasattr(arviz, "InferenceData"):
        return arviz.InferenceData(attrs=attributes, **groups)
    from xarray import Dataset, DataTree

    return DataTree.from_dict({"/": Dataset(attrs=attributes), **groups})


def rows(values: Mapping[str, Tensor], index: Tensor) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
    """Values at the slots of draws, under names without the `/` that separates groups."""
    return {name.replace("/", "÷"): x.cpu()[index].numpy() for name, x in values.items()}


def of_draws(arrays: Mapping[str, np.ndarray[Any, np.dtype[Any]]]) -> xarray.Dataset:
    """Arrays (chain, draw, ...); further dimensions have the names that ArviZ gives them."""
    return dataset(
        {
            name: ((*_DRAWS, *(f"{name}_dim_{k}" for k in range(array.ndim - 2))), array)
            for name, array in arrays.items()
        }
    )


def dataset(
    arrays: Mapping[str, tuple[tuple[str, ...], np.ndarray[Any, np.dtype[Any]]]],
) -> xarray.Dataset:
    """Arrays with their dimensions, and the numbers along each as coordinates."""
    from xarray import Dataset

    sizes = {
        d: n for dims, array in arrays.values() for d, n in zip(dims, array.shape, strict=True)
    }
    return Dataset(dict(arrays), coords={d: np.arange(n) for d, n in sizes.items()})
