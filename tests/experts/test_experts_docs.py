"""The examples of docs/experts.md are programs that run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

import poedsl
from tests.diagnostics import refused

DOCS = Path(__file__).parents[2] / "docs" / "experts.md"
_FILE = re.compile(r"```\w+\n# (?P<name>\S+)\n(?P<text>.*?)```", re.DOTALL)
FILES = {m["name"]: m["text"] for m in _FILE.finditer(DOCS.read_text())}


@pytest.mark.parametrize("name", [n for n in FILES if n.endswith(".poe")])
def test_examples_run(tmp_path: Path, name: str) -> None:
    for file, text in FILES.items():
        (tmp_path / file).write_text(text)
    plan = poedsl.compile(tmp_path / name)
    if any(i.name == "seen" for i in plan.spec.inputs):
        plan = plan.bind(seen=torch.rand(1, 8, 8))
    with refused("P0707"):
        plan.run(particles=4, steps=3)
    result = plan.run(particles=4, steps=3, allow_code=True)
    assert all(bool(torch.isfinite(x).all()) for x in result.particles.values())
