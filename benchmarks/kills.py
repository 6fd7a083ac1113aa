"""Runs that are killed at random moments and resumed, compared with a run that is not.

    python benchmarks/kills.py                        # 30 kills of each program
    python benchmarks/kills.py --kills 200 --program tempered --program picture

Each trial starts `poe run --out`, kills it by SIGKILL at a random moment, resumes it by
`poe run --resume`, and with some probability kills that as well, until it ends. The files of the
result are then compared byte by byte with those of an uninterrupted run; of ``result.json``
everything but clock times and peak memory is. A process is a fork of one that has imported torch,
so that more of its time is spent on what is tested.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
#: Arguments of ``poe run`` for each program.
PROGRAMS: dict[str, list[str]] = {
    "tempered": [
        str(ROOT / "programs/circle.poe"),
        *("--sample", "particles=2000", "--sample", "path=temper(ess = 0.98)"),
    ],
    "hierarchy": [
        str(ROOT / "benchmarks/schools.poe"),
        *("--sample", "particles=2000", "--sample", "islands=4"),
        *("--sample", "path=temper(ess = 0.97)"),
    ],
    "learned": [
        str(ROOT / "programs/checkerboard.poe"),
        *("--sample", "particles=200", "--sample", "steps=30"),
    ],
    "picture": [
        str(ROOT / "programs/digits.poe"),
        *("--sample", "particles=4", "--sample", "steps=12"),
    ],
}
#: What is compared byte by byte, beside ``result.json``.
FILES = ("particles.safetensors", "details.safetensors", "plan.json")
MEASURED = frozenset({"seconds", "peak_memory"})
#: What processes have imported when they start.
MODULES = (
    *("poedsl.cli.main", "poedsl.cli.saved_run", "poedsl.experts.flows.unet"),
    *(
        "arviz",
        "h5netcdf",
        "matplotlib.pyplot",
        "diffusers.models.unets.unet_2d",
        "transformers.models.auto",
    ),
)
#: How often a resumed run is killed again.
AGAIN = 0.5


@dataclass
class Count:
    """Of one program.

    Attributes:
        before_a_checkpoint: kills before there was a checkpoint.
        results: of runs that were killed at least once.
    """

    kills: int = 0
    before_a_checkpoint: int = 0
    results: int = 0
    identical: int = 0


def command(arguments: list[str]) -> None:
    """`poe` with some arguments, without output, in this process."""
    from poedsl.cli.entry import entry

    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    sys.argv = ["poe", *arguments]
    entry()


def poe(arguments: list[str], killed_after: float | None = None) -> tuple[int | None, float]:
    """The exit code of a command, negative for a signal, and how long it took."""
    process = multiprocessing.get_context("fork").Process(target=command, args=(arguments,))
    clock = time.perf_counter()
    process.start()
    process.join(killed_after)
    if process.is_alive():
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
    return process.exitcode, time.perf_counter() - clock


def content(folder: Path) -> dict[str, Any]:
    """What two results must agree in."""
    files = [folder / name for name in FILES]
    files += [p for p in sorted((folder / "samples").iterdir()) if p.is_file()]
    data = json.loads((folder / "result.json").read_text())
    found: dict[str, Any] = {str(p.relative_to(folder)): p.read_bytes() for p in files}
    return {**found, "result.json": json.dumps(without_measurements(data))}


def without_measurements(data: Any) -> Any:
    """JSON without what clocks and the system say."""
    if isinstance(data, dict):
        return {k: without_measurements(v) for k, v in data.items() if k not in MEASURED}
    return [without_measurements(v) for v in data] if isinstance(data, list) else data


def trial(arguments: list[str], folder: Path, duration: float, count: Count) -> None:
    """One run, to its end; it is killed unless it ends before that."""
    code, _ = poe(
        ["run", *arguments, "--out", str(folder), "--checkpoint-every", "0"],
        random.uniform(0, duration),
    )
    while code == -signal.SIGKILL:
        count.kills += 1
        if not (folder / "run.json").exists():
            count.before_a_checkpoint += 1
            again = ["run", *arguments, "--out", str(folder), "--checkpoint-every", "0"]
        else:
            count.before_a_checkpoint += not (folder / "checkpoint.safetensors").exists()
            again = ["run", "--resume", str(folder), "--checkpoint-every", "0"]
        limit = random.uniform(0, duration) if random.random() < AGAIN else 10 * duration
        code, _ = poe(again, limit)
    if code != 0:
        raise SystemExit(f"poe run ended with {code} in {folder}")


def measured(name: str, kills: int, place: Path) -> Count:
    """Kill runs of a program until there were so many kills."""
    arguments, count = PROGRAMS[name], Count()
    code, duration = poe(["run", *arguments, "--out", str(place / "whole")])
    if code != 0:
        raise SystemExit(f"poe run {' '.join(arguments)} ended with {code}")
    expected = content(place / "whole")
    while count.kills < kills:
        folder = place / "killed"
        before = count.kills
        trial(arguments, folder, duration, count)
        if count.kills > before:
            count.results += 1
            count.identical += content(folder) == expected
        shutil.rmtree(folder)
        print(f"{name}: {count}", file=sys.stderr, flush=True)
    print(
        f"{name}: a run takes {duration:.1f} s; {count.kills} kills, {count.before_a_checkpoint} "
        f"of them before a first checkpoint; {count.identical} of {count.results} results "
        "identical",
        flush=True,
    )
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--program", action="append", choices=PROGRAMS)
    given = parser.parse_args()
    random.seed(given.seed)
    for name in MODULES:
        import_module(name)
    import torch

    torch.set_num_threads(1)
    for name in given.program or PROGRAMS:
        with tempfile.TemporaryDirectory() as place:
            measured(name, given.kills, Path(place))


if __name__ == "__main__":
    main()
