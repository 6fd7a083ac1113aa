"""What benchmarks measured, as JSON beside their tables."""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

FOLDER = Path(__file__).parent / "results"


def add_out(parser: argparse.ArgumentParser, name: str) -> None:
    """The argument ``--out``: where a benchmark's figures go."""
    parser.add_argument(
        "--out", type=Path, default=FOLDER / f"{name}.json", help="where the figures go, as JSON"
    )


def parser(description: str | None, name: str, seeds: int) -> argparse.ArgumentParser:
    """The arguments that the tables share."""
    out = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    out.add_argument("--seeds", type=int, default=seeds, help="how many runs are averaged")
    out.add_argument("--quick", action="store_true", help="a small version, to see that it runs")
    add_out(out, name)
    return out


def write(args: argparse.Namespace, **figures: Any) -> None:
    """Write figures, with the arguments they were got by and the versions behind them.

    Those of a quick run are not put in the place of the full one's.
    """
    if getattr(args, "quick", False) and args.out.parent == FOLDER:
        return
    found = {
        "arguments": {k: v for k, v in vars(args).items() if isinstance(v, int | float | str)},
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        **figures,
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(found, indent=1, default=_plain, allow_nan=False)
    args.out.write_text(text + "\n", encoding="utf-8")


def report(
    args: argparse.Namespace, columns: Sequence[str], rows: dict[str, list[list[float]]]
) -> None:
    """Print a table of means and standard errors over scenes, and write its numbers.

    Args:
        rows: for each row of the table its columns' values, a list for each scene.
    """
    width = max(map(len, rows)) + 2
    print(" " * width + "".join(f"{c:>18}" for c in columns))
    figures = {name: [list(c) for c in zip(*found, strict=True)] for name, found in rows.items()}
    for name, found in figures.items():
        print(f"{name:<{width}}" + "".join(f"{spread(c):>18}" for c in found))
    write(args, rows={n: dict(zip(columns, c, strict=True)) for n, c in figures.items()})


def spread(values: list[float]) -> str:
    """Mean, and its standard error."""
    found = torch.tensor(values)
    error = float(found.std()) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return f"{float(found.mean()):.3f} +- {error:.3f}"


def _plain(value: Any) -> Any:
    """Numbers of NumPy and torch as Python's."""
    return round(value.item(), 6)
