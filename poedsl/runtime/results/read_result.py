"""Results from the folders that runs and `Result.save` write; runs no code."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.read_json import from_json
from poedsl.experts.sequences.vocabulary import Vocabulary
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError
from poedsl.runtime.core.warnings import RunWarning
from poedsl.runtime.results.evidence import Evidence, EvidenceStatus
from poedsl.runtime.results.folder_ownership import MANIFEST, read_state
from poedsl.runtime.results.posterior_summary import ComponentSummary, PosteriorSummary
from poedsl.runtime.results.saved_files import DETAILS, PARTICLES, PLAN, RESULT, SCHEMA, stored_name
from poedsl.runtime.results.verdict import Verdict
from poedsl.runtime.smc.composition import Composition, Member, StageObservation
from poedsl.runtime.smc.records import Outcome, StageRecord


def read_result(folder: Path) -> dict[str, Any]:
    """The attributes of the `Result` that a folder holds, but those that hold networks.

    Raises:
        PoeError: the folder is not there or cannot be read (P0604), or it holds no complete result
            of this version (P0713).
    """
    _refuse_unfinished(folder)
    try:
        data, plan = _numbers(folder), _plan(folder)
        particles, details = _tensors(folder, PARTICLES), _tensors(folder, DETAILS)
    except OSError as error:
        raise _absent(folder, error) from error
    if data.get("plan_hash") != plan.hash:
        raise _refused(folder, f"{RESULT} and {PLAN} are of different runs")
    try:
        return _attributes(folder, data, plan, particles, details)
    except KeyError as error:
        raise _refused(folder, f"{error.args[0]} is missing") from error
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        raise _refused(folder, f"{RESULT} is damaged: {error}") from error


def _attributes(
    folder: Path,
    data: Mapping[str, Any],
    plan: PlanSpec,
    particles: Mapping[str, Tensor],
    details: Mapping[str, Tensor],
) -> dict[str, Any]:
    names = {v.name: stored_name(v.name) for v in plan.variables}
    values = {name: particles[stored] for name, stored in names.items()}
    reports = {r.name: particles[stored_name(r.name)] for r in plan.reports}
    log_weights = particles["log_weights"]
    genealogy = {n: particles[n].long() for n in ("eve_indices", "parents")}
    by_particle = {**values, **reports, **details}
    if (
        log_weights.dim() != 1
        or any(len(x) != len(log_weights) for x in by_particle.values())
        or any(x.shape != (len(data["stages"]), len(log_weights)) for x in genealogy.values())
    ):
        raise _refused(
            folder, f"the sizes of the tensors in {PARTICLES} and {DETAILS} do not agree"
        )
    log_values: dict[str, Tensor] = {}
    sites: dict[str, dict[str, Tensor]] = {}
    for name, tensor in details.items():
        kind, _, rest = name.partition(".")
        factor, _, site = rest.partition(".")
        if kind == "log_values":
            log_values[rest] = tensor
        elif kind == "sites":
            sites.setdefault(factor, {})[site] = tensor
    composition = data["composition"]
    return {
        "plan": plan,
        "seed": data["seed"],
        "particles": values,
        "reports": reports,
        "log_weights": log_weights,
        "log_values": {n: log_values[n] for n in data["exponents"] if n in log_values},
        "exponents": dict(data["exponents"]),
        "evidence": Evidence(
            data["log_evidence"],
            data["log_evidence_se"],
            EvidenceStatus[data["evidence_status"].upper()],
            _warnings(data["evidence_reasons"]),
        ),
        "stages": tuple(map(StageRecord.of_json, data["stages"])),
        **genealogy,
        "calls": dict(data["calls"]),
        "outcome": Outcome[data["outcome"].upper()],
        "verdict": Verdict[data["verdict"].upper()],
        "posterior": PosteriorSummary(
            {
                row["name"]: ComponentSummary(**{k: v for k, v in row.items() if k != "name"})
                for row in data["components"]
            }
        ),
        "warnings": _warnings(data["warnings"]),
        "composition": None if composition is None else _composition(composition),
        "peak_memory": data["peak_memory"],
        "sites": sites,
        "vocabularies": {n: _vocabulary(v) for n, v in data["vocabularies"].items()},
    }


def _numbers(folder: Path) -> dict[str, Any]:
    try:
        data = json.loads((folder / RESULT).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise _refused(folder, f"{RESULT} is no JSON: {error}") from error
    stated = data.get("schema") if isinstance(data, dict) else None
    if not isinstance(data, dict) or stated != SCHEMA:
        raise _refused(folder, f"{RESULT} is of the schema {stated!r}, and not {SCHEMA}")
    return data


def _plan(folder: Path) -> PlanSpec:
    text = (folder / PLAN).read_bytes()
    try:
        return from_json(text.decode())
    except ValueError as error:
        raise _refused(folder, f"{PLAN}: {error}") from error


def _tensors(folder: Path, file: str) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    content = (folder / file).read_bytes()
    try:
        return load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise _refused(folder, f"{file} is damaged: {error}") from error


def _warnings(items: list[dict[str, Any]]) -> tuple[RunWarning, ...]:
    return tuple(RunWarning(i["code"], i["message"], i.get("data", {})) for i in items)


def _composition(data: dict[str, Any]) -> Composition:
    keys = ("name", "place", "learned", "limit")
    members = (Member(**{k: member[k] for k in keys}) for member in data["experts"])
    observations = (
        StageObservation(**{**row, "noise": tuple(row["noise"])}) for row in data["observations"]
    )
    return Composition(tuple(members), tuple(observations), data["corrected"])


def _vocabulary(data: dict[str, Any]) -> Vocabulary:
    """A vocabulary of which only the symbols that occur are known."""
    pieces = {int(symbol): base64.b64decode(piece) for symbol, piece in data["pieces"].items()}
    return Vocabulary(tuple(pieces.get(s, b"") for s in range(data["size"])), data["end"])


def _refuse_unfinished(folder: Path) -> None:
    """Whether the files of a result are not all in place, or there is a run and no result."""
    if not (folder / MANIFEST).is_file():
        return
    state = read_state(folder)
    if state is None or (state.state == "finished" and not state.moving):
        return
    if state.moving or not (folder / RESULT).is_file():
        raise _refused(folder, f"its run is {state.state}; {state.note}")


def _absent(folder: Path, error: OSError) -> PoeError:
    if folder.is_dir() and isinstance(error, FileNotFoundError):
        return _refused(folder, f"there is no {Path(error.filename).name} in it")
    message = f"the result in {folder} cannot be read: {error.strerror or error}"
    return PoeError((Diagnostic("P0604", message),))


def _refused(folder: Path, reason: str) -> PoeError:
    note = "`poe run --out FOLDER` and `result.save(FOLDER)` write folders that can be loaded"
    message = f"{folder} holds no complete result: {reason}"
    return PoeError((Diagnostic("P0713", message, notes=(note,)),))
