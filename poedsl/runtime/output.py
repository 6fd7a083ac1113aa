"""The folder a run leaves behind."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from poedsl.compiler.plantext import print_plan
from poedsl.grammar.diagnostics import Diagnostic, PoeError
from poedsl.runtime.records import StageRecord
from poedsl.runtime.report import html_report
from poedsl.runtime.result import Result

SCHEMA = "poedsl-result/1"
#: What a finished run writes; what an earlier run left of it is removed at the start.
WRITTEN = ("particles.safetensors", "posterior.nc", "report.html", "result.json")


class OutputFolder:
    """Writes ``plan.json`` at the start, ``log.jsonl`` as stages are done, and the rest at the end.

    Raises:
        PoeError: the folder cannot be made or written; from every method.
    """

    def __init__(self, folder: Path, plan_json: str) -> None:
        self.folder = folder
        with _writing(folder):
            (folder / "samples").mkdir(parents=True, exist_ok=True)
            samples = (folder / "samples").glob("*.[pt][nx][gt]")
            for old in (*(folder / name for name in WRITTEN), *samples):
                old.unlink(missing_ok=True)
            (folder / "plan.json").write_text(plan_json, encoding="utf-8")
            (folder / "log.jsonl").write_text("", encoding="utf-8")

    def stage(self, record: StageRecord) -> None:
        with _writing(self.folder), (self.folder / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(asdict(record), allow_nan=False) + "\n")

    def finish(self, result: Result) -> list[str]:
        """Write the result; what was left out and why, a sentence each."""
        left_out: list[str] = []
        with _writing(self.folder):
            self._tensors(result)
            pictures: list[str] = []
            if result.outcome.ok:
                try:
                    from poedsl.runtime.pictures import draw

                    pictures = [f"samples/{n}" for n in draw(result, self.folder / "samples")]
                except ImportError as error:
                    left_out.append(_left_out("the picture in samples/", error))
                try:
                    self._arviz(result)
                except ImportError as error:
                    left_out.append(_left_out("posterior.nc", error))
            page = html_report(result, print_plan(result.plan), pictures)
            (self.folder / "report.html").write_text(page, encoding="utf-8")
            text = json.dumps(as_json(result), indent=1, allow_nan=False) + "\n"
            (self.folder / "result.json").write_text(text, encoding="utf-8")
        return left_out

    def _tensors(self, result: Result) -> None:
        from safetensors.torch import save

        tensors = {name: x.contiguous().cpu() for name, x in result.particles.items()}
        tensors["log_weights"] = result.log_weights.contiguous().cpu()
        tensors["ancestors"] = result.ancestors.int().contiguous().cpu()
        (self.folder / "particles.safetensors").write_bytes(save(tensors))

    def _arviz(self, result: Result) -> None:
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result.to_arviz().to_netcdf(str(self.folder / "posterior.nc"), engine="h5netcdf")


def as_json(result: Result) -> dict[str, Any]:
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
        "log_evidence": result.log_evidence,
        "log_evidence_se": result.log_evidence_se,
        "evidence_reason": result.evidence_reason,
        "ess": result.ess,
        "nfe": result.nfe,
        "calls": result.calls,
        "peak_memory": result.peak_memory,
        "stages": [asdict(s) for s in result.stages],
        "best": best,
        "outcome": result.outcome.name.lower(),
        "outcome_text": result.outcome.value,
        "warnings": list(result.warnings),
        "composition": None if result.composition is None else result.composition.as_json(),
    }


def _left_out(what: str, error: ImportError) -> str:
    return f"{what} is left out: `{error.name}` is not installed (pip install 'poedsl[report]')"


class _writing:
    """Turns what the file system refuses into a diagnostic that names the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            reason = error.strerror or str(error)
            raise PoeError(
                (Diagnostic("P0704", f"the results cannot be written to {self.folder}: {reason}"),)
            ) from error
