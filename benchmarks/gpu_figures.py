"""Programs on a GPU and on the CPU: seconds, and whether the particles are the same.

    python benchmarks/gpu_figures.py [--device cuda] [--largest 1000000] [--out FILE.json]

`same` is the share of the particles of a seed whose components differ by at most 0.001 between the
devices; a decision of resampling or of acceptance that falls the other way makes a particle another
one. Seconds are those of the second run, after one that loads and compiles; the largest numbers of
particles run on the device alone.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch

import poedsl

PROGRAMS = Path(__file__).resolve().parent.parent / "programs"
#: A program, its numbers of particles, and the largest of them that also runs on the CPU.
CASES: dict[str, tuple[Path | str, tuple[int, ...], int]] = {
    "crossing": (PROGRAMS / "crossing.poe", (1_000, 100_000, 1_000_000), 1_000),
    "gaussians": (PROGRAMS / "gaussians.poe", (1_000,), 1_000),
    "circle": (PROGRAMS / "circle.poe", (1_000,), 1_000),
    "tempered": (
        "x : Real[2]\nx ~ StudentT(4, 0, 1) * exp(-2 * sum(softplus(x - 1)))",
        (1_000, 100_000),
        1_000,
    ),
    "digits": (PROGRAMS / "digits.poe", (16,), 16),
    "rooms": (PROGRAMS / "playroom" / "rooms.poe", (8,), 8),
    "layout": (PROGRAMS / "playroom" / "layout.poe", (4,), 4),
    "insert": (PROGRAMS / "playroom" / "insert_object.poe", (4,), 4),
}


def timed(plan: poedsl.Plan, particles: int, device: str) -> tuple[float, poedsl.Result]:
    """The seconds of a second run, and its result."""
    for _ in range(2):
        start = time.perf_counter()
        result = plan.run(seed=0, particles=particles, device=device, profile="small")
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        seconds = time.perf_counter() - start
    return seconds, result


def same(one: poedsl.Result, other: poedsl.Result) -> float:
    """The share of particles that are the same."""
    equal = [
        (a.cpu().flatten(1) - b.cpu().flatten(1)).abs().amax(1) <= 1e-3
        for a, b in zip(one.particles.values(), other.particles.values(), strict=True)
    ]
    return float(torch.stack(equal).all(0).float().mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--largest", type=int, default=1_000_000, help="particles")
    parser.add_argument("--out", type=Path, help="a file for the numbers as JSON")
    args = parser.parse_args()
    name = torch.cuda.get_device_name() if args.device.startswith("cuda") else "CPU"
    print(f"{name}, torch {torch.__version__}")
    print(f"{'':<12}{'particles':>10}{'device':>10}{'CPU':>10}{'same':>8}")
    rows = []
    for case, (program, counts, on_cpu) in CASES.items():
        plan = poedsl.compile(program)
        for particles in (c for c in counts if c <= args.largest):
            seconds, result = timed(plan, particles, args.device)
            row = {"program": case, "particles": particles, "device": seconds}
            text = f"{case:<12}{particles:>10}{seconds:>10.2f}"
            if particles <= on_cpu:
                row["cpu"], other = timed(plan, particles, "cpu")
                row["same"] = same(result, other)
                text += f"{row['cpu']:>10.2f}{row['same']:>8.3f}"
            print(text, flush=True)
            rows.append(row)
    if args.out is not None:
        figures = {"device": name, "torch": torch.__version__, "rows": rows}
        args.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
