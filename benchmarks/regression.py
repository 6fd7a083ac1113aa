"""Regressions with many rows under the default plan, beside NUTS of NumPyro.

    python benchmarks/regression.py --peer /path/to/python/with/numpyro

Simulated data of 10,000 rows and 20 columns, a Gaussian and a logistic likelihood. poedsl is timed
from the text of the program to the result; NUTS (1,000 draws to adapt, 1,000 kept, one chain,
double precision) with and without its compilation. Effective draws are the bulk effective draws of
the coefficient with the fewest.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from figures import parser, write

import poedsl

PROGRAMS = {
    "gaussian": """
input X : Real[_, {columns}]
input y : Real[_]
a ~ Normal(0, 5)
b : Real[{columns}]
b ~ Normal(0, 2.5)
s ~ HalfNormal(5)
y ~ Normal(a + X @ b, s)
""",
    "logistic": """
input X : Real[_, {columns}]
input y : Int[_]
a ~ Normal(0, 5)
b : Real[{columns}]
b ~ Normal(0, 2.5)
y ~ Bernoulli(logits = a + X @ b)
""",
}


def data(kind: str, rows: int, columns: int) -> dict[str, Any]:
    draws = np.random.default_rng(1)
    x, b = draws.normal(size=(rows, columns)), draws.normal(size=columns)
    mean = 0.5 + x @ b
    if kind == "gaussian":
        return {"X": x, "y": mean + 1.3 * draws.normal(size=rows)}
    return {"X": x, "y": (draws.random(rows) < 1 / (1 + np.exp(-mean))).astype(int)}


def measure(kind: str, given: dict[str, Any]) -> dict[str, Any]:
    clock = time.perf_counter()
    plan = poedsl.compile(PROGRAMS[kind].format(columns=given["X"].shape[1])).bind(given)
    result = plan.run()
    seconds = time.perf_counter() - clock
    rows = result.summary()
    return {
        "seconds": seconds,
        "ess": min(row.bulk_ess for row in rows.values()),
        "nfe": result.nfe,
        "verdict": str(result.verdict),
        "means": {name: (row.mean, row.sd) for name, row in rows.items()},
    }


def peer(python: Path, kind: str, given: dict[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "data.npz"
        np.savez(file, **given)
        script = Path(__file__).with_name("regression_numpyro.py")
        done = subprocess.run(
            [python, script, file, kind], check=True, capture_output=True, text=True
        )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def differences(own: dict[str, Any], other: dict[str, Any]) -> float:
    """The largest difference of means, in standard deviations."""
    off = []
    for name, means in other["means"].items():
        for i, mean in enumerate(np.atleast_1d(means)):
            centre, sd = own["means"][name if np.ndim(means) == 0 else f"{name}[{i}]"]
            off.append(abs(mean - centre) / sd)
    return max(off)


def arguments() -> argparse.Namespace:
    options = parser(__doc__, "regression", 1)
    options.add_argument("--rows", type=int, default=10_000)
    options.add_argument("--columns", type=int, default=20)
    options.add_argument("--peer", type=Path, help="an interpreter that has NumPyro")
    return options.parse_args()


def main() -> None:
    torch.set_num_threads(1)
    args = arguments()
    rows = 500 if args.quick else args.rows
    figures = {}
    for kind in PROGRAMS:
        given = data(kind, rows, args.columns)
        own = measure(kind, given)
        each = own["seconds"] / own["ess"]
        print(
            f"{kind}: {own['seconds']:.1f} s, {own['ess']:.0f} effective draws, "
            f"{1000 * each:.2f} ms each, {own['nfe']} evaluations, {own['verdict']}"
        )
        figures[kind] = {"poedsl": {k: v for k, v in own.items() if k != "means"}}
        if args.peer is None:
            continue
        other = peer(args.peer, kind, given)
        theirs = other["seconds"] / other["ess"]
        off = differences(own, other)
        print(
            f"    NUTS of NumPyro: {other['seconds']:.1f} s ({other['first']:.1f} s with "
            f"compilation), {other['ess']:.0f} effective draws, {1000 * theirs:.2f} ms each; "
            f"ratio of the times {each / theirs:.2f}; means differ by {off:.2f} sd at most"
        )
        figures[kind] |= {
            "NumPyro": {k: v for k, v in other.items() if k != "means"},
            "ratio": each / theirs,
            "difference": off,
        }
    write(args, figures=figures)


if __name__ == "__main__":
    main()
