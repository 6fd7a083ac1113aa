"""The files of a result that it can be read back from, without pickles.

``result.json`` holds numbers and texts, ``plan.json`` the plan, ``particles.safetensors`` the
particles and what the run knows of their lines, ``details.safetensors`` what each factor says of
every particle: ``log_values.FACTOR`` and ``sites.FACTOR.SITE``.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from torch import Tensor

from poedsl.experts.sequences.vocabulary import Vocabulary
from poedsl.runtime.results.distinct import distinct_pictures
from poedsl.runtime.results.particle_histories import Snapshots
from poedsl.runtime.results.pictures import DrawnRun
from poedsl.runtime.results.report import ReportedRun, order

if TYPE_CHECKING:
    import xarray

SCHEMA = "poedsl-result/2"
RESULT, PLAN = "result.json", "plan.json"
PARTICLES, DETAILS = "particles.safetensors", "details.safetensors"
#: Tensors beside those of variables. A variable of such a name is stored under ``variable.NAME``.
RESERVED = frozenset({"log_weights", "eve_indices", "parents"})


@runtime_checkable
class WrittenRun(ReportedRun, DrawnRun, Protocol):
    """What an output folder holds of a result; `Result` describes the attributes."""

    @property
    def reports(self) -> Mapping[str, Tensor]: ...
    @property
    def eve_indices(self) -> Tensor: ...
    @property
    def parents(self) -> Tensor: ...
    @property
    def log_values(self) -> Mapping[str, Tensor]: ...
    @property
    def exponents(self) -> Mapping[str, float]: ...
    @property
    def sites(self) -> Mapping[str, Mapping[str, Tensor]]: ...
    @property
    def calls(self) -> Mapping[str, int]: ...
    @property
    def log_evidence(self) -> float | None: ...
    @property
    def log_evidence_se(self) -> float | None: ...
    @property
    def evidence_reason(self) -> str: ...
    @property
    def snapshots(self) -> Snapshots | None: ...
    def to_xarray(self, *, data: bool = True) -> xarray.DataTree: ...


def stored_name(variable: str) -> str:
    """The name of the tensor of a variable or report in ``particles.safetensors``."""
    return f"variable.{variable}" if variable in RESERVED else variable


def particle_tensors(result: WrittenRun) -> dict[str, Tensor]:
    values = {**result.particles, **result.reports}
    tensors = {stored_name(name): x for name, x in values.items()}
    tensors["log_weights"] = result.log_weights
    tensors["eve_indices"] = result.eve_indices.int()
    tensors["parents"] = result.parents.int()
    return {name: x.contiguous().cpu() for name, x in tensors.items()}


def detail_tensors(result: WrittenRun) -> dict[str, Tensor]:
    tensors = {f"log_values.{name}": x for name, x in result.log_values.items()}
    for factor, sites in result.sites.items():
        tensors |= {f"sites.{factor}.{name}": x for name, x in sites.items()}
    return {name: x.contiguous().cpu() for name, x in tensors.items()}


def vocabulary_json(vocabulary: Vocabulary, symbols: Tensor) -> dict[str, Any]:
    """A vocabulary as far as its symbols occur."""
    used = sorted(s for s in set(symbols.flatten().tolist()) if s < len(vocabulary))
    pieces = {str(s): base64.b64encode(vocabulary.pieces[s]).decode() for s in used}
    return {"size": len(vocabulary), "end": vocabulary.end, "pieces": pieces}


def as_json(result: WrittenRun) -> dict[str, Any]:
    """The result without its tensors, as ``result.json`` holds it."""
    best = result.best_index if result.outcome.ok else None
    return {
        "schema": SCHEMA,
        "program": result.plan.program,
        "plan_hash": result.plan.hash,
        "seed": result.seed,
        "variables": [
            {"name": v.name, "type": str(v.type), "shape": list(result.particles[v.name].shape[1:])}
            for v in result.plan.variables
        ],
        "reports": [
            {"name": r.name, "type": str(r.type), "shape": list(result.reports[r.name].shape[1:])}
            for r in result.plan.reports
        ],
        "log_evidence": result.log_evidence,
        "log_evidence_se": result.log_evidence_se,
        "evidence_reason": result.evidence_reason,
        "evidence_status": result.evidence.status.name.lower(),
        "evidence_reasons": [r.as_json() for r in result.evidence.reasons],
        "ess": result.ess,
        "nfe": result.nfe,
        "calls": dict(result.calls),
        "exponents": dict(result.exponents),
        "peak_memory": result.peak_memory,
        "stages": [s.as_json() for s in result.stages],
        "best": best,
        "order": order(result) if result.outcome.ok else [],
        "distinct_pictures": distinct_pictures(result.plan, result.particles, result.log_weights),
        "verdict": str(result.verdict),
        "components": [{"name": n, **asdict(row)} for n, row in result.posterior.items()],
        "outcome": result.outcome.name.lower(),
        "outcome_text": result.outcome.value,
        "warnings": [w.as_json() for w in result.warnings],
        "vocabularies": {
            name: vocabulary_json(vocabulary, result.particles[name])
            for name, vocabulary in result.vocabularies.items()
        },
        "composition": None if result.composition is None else result.composition.as_json(),
    }
