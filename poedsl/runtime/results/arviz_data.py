"""A result as a tree of xarray, which its NetCDF file and the data of ArviZ are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from importlib import import_module
from pathlib import Path
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
    """What the tree holds of a result; `Result` describes the attributes."""

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


def xarray_tree(
    result: ConvertedRun, draws: list[Tensor], more: Mapping[str, xarray.Dataset]
) -> xarray.DataTree:
    """The posterior, statistics of its draws, and the stages.

    Args:
        draws: the slots of the draws of each chain.
        more: groups that concern data.
    """
    from xarray import Dataset, DataTree

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
    return DataTree.from_dict({"/": Dataset(attrs=attributes), **groups})


def arviz_data(tree: xarray.DataTree) -> Any:
    """An `InferenceData` of ArviZ's versions before 1; later versions take the tree itself."""
    arviz = import_arviz()
    if not hasattr(arviz, "InferenceData"):
        return tree
    groups = {name: group.to_dataset() for name, group in tree.children.items()}
    return arviz.InferenceData(attrs=dict(tree.attrs), **groups)


def write_netcdf(tree: xarray.DataTree, path: Path) -> None:
    """Write a tree as compressed NetCDF, which `arviz.from_netcdf` and xarray read."""
    encoding = {
        f"/{name}": {v: {"zlib": True} for v, x in group.variables.items() if x.dtype.kind in "bif"}
        for name, group in tree.children.items()
    }
    tree.to_netcdf(path, engine="h5netcdf", encoding=encoding)


def import_arviz() -> Any:
    """ArviZ, whose import replaces a file in the user's cache once a day: of processes that start
    together, one may find its new file moved by another.
    """
    try:
        return import_module("arviz")
    except FileNotFoundError:
        return import_module("arviz")


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
