"""Where the figures of benchmarks are kept."""

from __future__ import annotations

import argparse
import json
import platform
from pathlib import Path
from typing import Any

import torch

FOLDER = Path(__file__).parent / "results"


def parser(description: str | None, name: str, seeds: int = 10) -> argparse.ArgumentParser:
    """The arguments that all benchmarks share."""
    out = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    out.add_argument("--seeds", type=int, default=seeds, help="how many runs are averaged")
    out.add_argument("--quick", action="store_true", help="a small version, to see that it runs")
    out.add_argument("--out", type=Path, default=FOLDER / f"{name}.json", help="figures as JSON")
    return out


def write(path: Path, figures: dict[str, Any]) -> None:
    """Write figures, with what they were measured by."""
    path.parent.mkdir(parents=True, exist_ok=True)
    by = {"torch": torch.__version__, "python": platform.python_version()}
    path.write_text(json.dumps({"measured_by": by, **figures}, indent=1) + "\n", encoding="utf-8")
    print(f"written to {path}")
