"""Posteriors of posteriordb under the default plan, against its reference draws.

    python benchmarks/posteriordb.py FOLDER [--seeds 3] [--particles 2000] [--only NAME ...]
        [--peers]

FOLDER is `posterior_database` in a clone of stan-dev/posteriordb, nothing of which is included
here. The programs in `benchmarks/posteriordb/` are its models, written in this language. Each has
the name of a posterior, and its variables have the names of the parameters. z is the mean of a
parameter minus that of the reference draws, in standard deviations of the reference draws. The
columns are the worst |z| and the extreme ratios of standard deviations over all parameters and
seeds, the root mean square of z (these are dashes where the database has no reference draws), the
mean and the standard deviation of log Z over the seeds, the mean standard error that the runs
report, their verdicts, and evaluations and seconds of a run.

`--peers` runs NUTS of Pyro on the same densities as well, with a dense mass matrix. Effective draws
are those of the parameter with the fewest: the bulk ESS of ArviZ from one chain, and that of the
summary of a result, which counts weights and common ancestors.
"""

from __future__ import annotations

import argparse
import json
import math
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from figures import parser, write
from torch import Tensor

import poedsl
from poedsl.runtime.results.result import Result

PROGRAMS = Path(__file__).parent / "posteriordb"
Data = dict[str, Any]
Draws = dict[str, Tensor]


def read(place: Path) -> Any:
    """What a zipped JSON file of posteriordb contains."""
    with zipfile.ZipFile(place) as archive:
        return json.loads(archive.read(archive.namelist()[0]))


def triangular(data: Data) -> Data:
    """Least squares of the centred predictors: |Y - Xc b|^2 = |q - R b|^2 + rss."""
    x, y = np.array(data["X"])[:, 1:], np.array(data["Y"])
    q, r = np.linalg.qr(x - x.mean(0))
    along = q.T @ y
    rss = ((y - y.mean()) ** 2).sum() - (along**2).sum()
    return {"R": r, "q": along, "mean_Y": float(y.mean()), "rss": float(rss), "N": len(y)}


#: Data that the language cannot compute.
PREPARED: dict[str, Callable[[Data], Data]] = {"diamonds": triangular}


def load(folder: Path, name: str) -> tuple[poedsl.Plan, Draws]:
    """The plan of a posterior, with its data, and the reference draws, where there are any."""
    facts = json.loads((folder / "posteriors" / f"{name}.json").read_text(encoding="utf-8"))
    data = read(folder / "data" / "data" / f"{facts['data_name']}.json.zip")
    data = PREPARED.get(facts["data_name"], dict)(data)
    draws = folder / "reference_posteriors" / "draws" / "draws"
    reference = facts["reference_posterior_name"]
    chains = read(draws / f"{reference}.json.zip") if reference else [{}]
    pooled = {
        k: torch.tensor([c[k] for c in chains], dtype=torch.float64).flatten() for k in chains[0]
    }
    plan = poedsl.compile(PROGRAMS / f"{name}.poe")
    return plan.bind(**{i.name: data[i.name] for i in plan.spec.inputs}), pooled


def parameters(values: dict[str, Tensor]) -> Draws:
    """Draws of each number by its name in Stan, which counts from 1."""
    out = {}
    for name, x in values.items():
        if x.dim() == 1:
            out[name] = x.double()
        else:
            out |= {f"{name}[{i + 1}]": x[:, i].double() for i in range(x.shape[1])}
    return out


def compare(draws: Draws, weights: Tensor, reference: Draws) -> tuple[Tensor, Tensor]:
    """z and the ratio of standard deviations, of each parameter of the reference."""
    z, ratios = [], []
    for name, exact in reference.items():
        mean = weights @ draws[name]
        sd = (weights @ (draws[name] - mean).square()).sqrt()
        z.append((mean - exact.mean()) / exact.std())
        ratios.append(sd / exact.std())
    return torch.stack(z), torch.stack(ratios)


def measure(plan: poedsl.Plan, reference: Draws, seeds: int, particles: int) -> dict[str, Any]:
    """A row of the table."""
    clock = time.perf_counter()
    runs: list[Result] = [plan.run(seed=seed, particles=particles) for seed in range(seeds)]
    seconds = (time.perf_counter() - clock) / seeds
    logs = torch.tensor([r.log_evidence or math.nan for r in runs], dtype=torch.float64)
    errors = [r.log_evidence_se for r in runs if r.log_evidence_se is not None]
    return {
        **agreement(runs, reference),
        "log Z": float(logs.mean()),
        "spread": float(logs.std()) if seeds > 1 else None,
        "error": sum(errors) / len(errors) if errors else None,
        "verdicts": dict(Counter(r.verdict.name.lower() for r in runs)),
        "warnings": sorted({w.code for r in runs for w in r.warnings}),
        "stages": sum(len(r.stages) for r in runs) / seeds,
        "nfe": sum(r.nfe for r in runs) / seeds,
        "ess": sum(_fewest_draws(r) for r in runs) / seeds,
        "seconds": seconds,
    }


def agreement(runs: list[Result], reference: Draws) -> dict[str, float | None]:
    """How far runs are from the reference draws; None where there are none."""
    columns = ("worst z", "rms z", "smallest sd", "largest sd")
    if not reference:
        return {"parameters": len(parameters(runs[0].particles)), **dict.fromkeys(columns)}
    found = [compare(parameters(r.particles), r.log_weights.exp(), reference) for r in runs]
    z, ratios = (torch.stack(part) for part in zip(*found, strict=True))
    values = (z.abs().max(), z.square().mean().sqrt(), ratios.min(), ratios.max())
    return {"parameters": len(reference), **dict(zip(columns, map(float, values), strict=True))}


def _fewest_draws(result: Result) -> float:
    """The effective draws of the component that has the fewest."""
    return min(row.bulk_ess or 0.0 for row in result.summary().values())


def nuts(plan: poedsl.Plan, reference: Draws, quick: bool) -> dict[str, float]:
    """One chain of NUTS on the density of a plan."""
    import arviz
    import pyro
    from pyro.infer import MCMC, NUTS

    pyro.set_rng_seed(0)
    warmup, count = (50, 100) if quick else (300, 600)
    kernel = NUTS(plan.bound().to_pyro(), full_mass=True)
    clock = time.perf_counter()
    chain = MCMC(kernel, num_samples=count, warmup_steps=warmup, disable_progbar=True)
    chain.run()
    seconds = time.perf_counter() - clock
    draws = parameters(chain.get_samples())
    z, _ = compare(draws, torch.full((count,), 1 / count, dtype=torch.float64), reference)
    sizes = [float(arviz.ess(draws[name].numpy()[None])) for name in reference]
    return {"worst z": float(z.abs().max()), "ess": min(sizes), "seconds": seconds}


def shown(value: float | None, digits: int) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def line(name: str, row: dict[str, Any]) -> str:
    verdicts = ", ".join(f"{n} {verdict}" for verdict, n in row["verdicts"].items())
    return (
        f"| {name} | {row['parameters']} | {shown(row['worst z'], 2)} | {shown(row['rms z'], 3)} | "
        f"{shown(row['smallest sd'], 2)} to {shown(row['largest sd'], 2)} | "
        f"{shown(row['log Z'], 2)} | {shown(row['spread'], 2)} | {shown(row['error'], 2)} | "
        f"{verdicts} | {row['nfe']:.0f} | {row['seconds']:.1f} |"
    )


def peer_line(name: str, row: dict[str, Any]) -> str:
    ours, theirs = row, row["nuts"]
    return (
        f"| {name} | {ours['seconds']:.1f} | {ours['ess']:.0f} | "
        f"{ours['seconds'] / ours['ess']:.4f} | {theirs['seconds']:.1f} | {theirs['ess']:.0f} | "
        f"{theirs['seconds'] / theirs['ess']:.4f} | {theirs['worst z']:.2f} |"
    )


def arguments() -> argparse.Namespace:
    options = parser(__doc__, "posteriordb", 3)
    options.add_argument("folder", type=Path, help="`posterior_database` of posteriordb")
    options.add_argument("--particles", type=int, default=2000, help="of each run")
    options.add_argument("--only", nargs="+", metavar="NAME", help="these posteriors alone")
    options.add_argument("--peers", action="store_true", help="run NUTS of Pyro as well")
    return options.parse_args()


def main() -> None:
    torch.set_num_threads(1)
    args = arguments()
    seeds, particles = (1, 200) if args.quick else (args.seeds, args.particles)
    names = args.only or sorted(place.stem for place in PROGRAMS.glob("*.poe"))
    rows: dict[str, dict[str, Any]] = {}
    print(
        "| posterior | parameters | worst z | rms z | sd ratios | log Z | spread | reported SE | "
        "verdicts | NFE | s |\n|---|---|---|---|---|---|---|---|---|---|---|",
        flush=True,
    )
    loaded = {name: load(args.folder, name) for name in names}
    for name, (plan, reference) in loaded.items():
        rows[name] = measure(plan, reference, seeds, particles)
        print(line(name, rows[name]), flush=True)
        if args.peers and reference:
            rows[name]["nuts"] = nuts(plan, reference, args.quick)
    if args.peers:
        print(
            "\n| posterior | poedsl s | ESS | s per draw | NUTS s | ESS | s per draw | worst z |\n"
            "|---|---|---|---|---|---|---|---|"
        )
        for name in (n for n, (_, reference) in loaded.items() if reference):
            print(peer_line(name, rows[name]))
    write(args, rows=rows)


if __name__ == "__main__":
    main()
