"""``poe predict``: the data of a program drawn again, from its posterior or its prior."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from poedsl.cli.open_plan import guarded, open_plan, show_warnings
from poedsl.cli.shared import FAILED, DiagnosticForm, echo, usage
from poedsl.grammar.program_files import is_folder

#: Draws and data, by the names of the data.
Predicted = tuple[dict[str, Any], dict[str, Any]]
#: Data with more components are summarised in one row.
LISTED = 24
_HEAD = ("", "observed", "mean", "sd", "5%", "50%", "95%")


def predict_command(
    file: str,
    bindings: list[str],
    data: list[str],
    sample: list[str],
    seed: int,
    device: str,
    profile: str,
    prior: bool,
    draws: int | None,
    out: str | None,
    allow_code: bool,
    form: DiagnosticForm,
) -> None:
    """Draw the data again, print a summary, and write the draws to a file."""
    if out is not None and Path(out).suffix not in (".npz", ".json"):
        usage(f"--out takes a file that ends in .npz or .json, and this is {out}")
    folder = Path(file)
    if is_folder(folder):
        if bindings or data or sample or prior:
            usage("--set, --data, --sample and --prior do not go with the folder of a run")
        result = guarded(lambda: _loaded(folder), form)
        left_out = result.plan.prior
        drawn, values = guarded(lambda: _predicted(result, draws, seed), form, FAILED)
    else:
        plan, source = open_plan(file, bindings, data, sample, False, form)
        show_warnings(plan, source, form)
        plan = guarded(plan.prior, form) if prior else plan
        plan = guarded(replace(plan, allow_code=allow_code).bound, form)
        left_out = plan.spec.prior

        def work() -> Predicted:
            from poedsl.cli.run import single_thread

            single_thread()
            result = plan.run(seed=seed, device=device, profile=profile, progress=True)
            for warning in result.warnings:
                echo(f"warning: {warning}", err=True)
            return _predicted(result, draws, seed)

        drawn, values = guarded(work, form, FAILED)
    for line in summary_lines(drawn, {} if left_out else values):
        echo(line)
    if out is not None:
        guarded(lambda: _write(Path(out), drawn), form, FAILED)
        echo(f"{'written to':<13} {out}")


def _loaded(folder: Path) -> Any:
    from poedsl.runtime.results.result import Result

    return Result.load(folder)


def _predicted(result: Any, draws: int | None, seed: int) -> Predicted:
    return result.predict(draws, seed), result.observed().values


def _write(path: Path, drawn: dict[str, Any]) -> None:
    import numpy as np

    from poedsl.grammar.diagnostics import Diagnostic
    from poedsl.grammar.errors import PoeError
    from poedsl.runtime.core.atomic_files import write_atomically

    arrays = {name: x.cpu().numpy() for name, x in drawn.items()}
    if path.suffix == ".npz":
        archive = io.BytesIO()
        np.savez(archive, **arrays)
        content = archive.getvalue()
    else:
        content = (json.dumps({n: a.tolist() for n, a in arrays.items()}) + "\n").encode()
    try:
        write_atomically(path, content)
    except OSError as error:
        message = f"the draws cannot be written to {path}: {error.strerror}"
        raise PoeError((Diagnostic("P0704", message),)) from error


def summary_lines(drawn: dict[str, Any], values: dict[str, Any]) -> list[str]:
    """A table of the draws of each datum, or of all together where there are many, and how much of
    the data is in the central 90 % of its draws.

    Args:
        drawn: (n, ...) by the name of the data. values: the data that were observed.
    """
    import numpy as np

    rows: list[tuple[str, ...]] = [_HEAD]
    inside: list[str] = []
    for name, tensor in drawn.items():
        draws = tensor.cpu().numpy()
        flat = draws.reshape(len(draws), -1)
        seen = values[name].cpu().numpy().reshape(-1) if name in values else None
        low, high = np.quantile(flat, [0.05, 0.95], axis=0)
        if flat.shape[1] > LISTED:
            rows.append((f"{name} ({flat.shape[1]} data)", "", *_numbers(flat)))
        else:
            for k, index in enumerate(np.ndindex(draws.shape[1:])):
                label = f"{name}[{', '.join(map(str, index))}]" if index else name
                observed = "" if seen is None else f"{seen[k]:.4g}"
                rows.append((label, observed, *_numbers(flat[:, k])))
        if seen is not None:
            share = float(np.mean((seen >= low) & (seen <= high)))
            inside.append(f"{share:.0%} of `{name}` are in the central 90 % of their draws")
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEAD))]
    table = [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows
    ]
    return [*table, *inside]


def _numbers(values: Any) -> tuple[str, ...]:
    import numpy as np

    quantiles = np.quantile(values, [0.05, 0.5, 0.95])
    return tuple(f"{x:.4g}" for x in (values.mean(), values.std(), *quantiles))
