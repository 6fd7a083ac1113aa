"""The time that a run is estimated to take, and the time that it takes.

    python benchmarks/estimates.py [--out FILE.json]

Each program is run as `poe run --out` runs it, with the pictures along the way: the seconds that
`Run.estimate` reports after three stages, and those of the whole run.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from figures import add_out, write

import poedsl
from poedsl.cli.run import SHOWN_ALONG
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.inputs.profile_files import read_profile
from poedsl.runtime.run import Run

PROGRAMS = Path(__file__).resolve().parent.parent / "programs"
PLAYROOM = PROGRAMS / "playroom"
FRONT = {
    "prompt": "a red sphere",
    "depth": PLAYROOM / "inputs" / "depth.png",
    "mask": PLAYROOM / "inputs" / "mask.png",
    "image": PLAYROOM / "inputs" / "without.png",
}
#: Program, and what is given to it.
RUNS: dict[str, dict[str, Any]] = {
    "digits.poe": {},
    "checkerboard.poe": {},
    "front.poe": FRONT,
    "playroom/insert_object.poe": {},
    "playroom/layout.poe": {},
    "playroom/rooms.poe": {},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_out(parser, "estimates")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows: dict[str, dict[str, float]] = {}
    print(
        f"{'program':<28}{'estimated, s':>14}{'taken, s':>10}{'ratio':>7}"
        f"{'NFE estimated':>15}{'taken':>7}"
    )
    for name, values in RUNS.items():
        plan = poedsl.compile(PROGRAMS / name).bind(**values).bound()
        profile = read_profile("small", plan.base)
        job = Run(
            plan.spec, RunSettings(folder=plan.base, profile=profile, shown_stages=SHOWN_ALONG)
        )
        cost = job.estimate()
        records = list(job.stages())
        seconds, nfe = sum(r.seconds for r in records), sum(r.nfe for r in records)
        ratio = cost.seconds / seconds
        rows[name] = {"estimated": cost.seconds, "taken": seconds, "ratio": ratio, "nfe": nfe}
        print(
            f"{name:<28}{cost.seconds:>14.1f}{seconds:>10.1f}{ratio:>7.2f}{cost.nfe:>15}{nfe:>7}",
            flush=True,
        )
    write(args, rows=rows)


if __name__ == "__main__":
    main()
