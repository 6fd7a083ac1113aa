"""The commands that a report shows repeat its run."""

from __future__ import annotations

import json
import re
import shlex
from html import unescape
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from poedsl.cli.entry import entry

PROGRAM = (
    "input m : Real\ninput y : Real[3]\nx ~ Normal(m, 1)\ny ~ Normal(x, 1)\n"
    "sample x by anneal(particles = 8)\n"
)


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["poe", *words])
    with pytest.raises(SystemExit) as stop:
        entry()
    return int(stop.value.code or 0)


@pytest.mark.slow
def test_the_commands_of_a_report_repeat_its_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a b.poe").write_text(PROGRAM, encoding="utf-8")
    Path("y.json").write_text(json.dumps({"y": [0.1, 0.4, 2.0]}), encoding="utf-8")
    options = ("--set", "m=0.5", "--data", "y.json", "--seed", "7", "--dtype", "float32")
    assert run(monkeypatch, "run", "a b.poe", *options, "--out", "one", "--allow-code") == 0
    first = load_file("one/particles.safetensors")["x"]
    page = Path("one/report.html").read_text(encoding="utf-8")
    shown = re.findall(r'<pre class="command" tabindex="0">(.*?)</pre>', page)
    typed, again = (shlex.split(unescape(command)) for command in shown)
    assert typed[:3] == ["poe", "run", "a b.poe"] and {"--allow-code", "one"} <= set(typed)
    assert run(monkeypatch, *typed[1:]) == 0
    assert torch.equal(load_file("one/particles.safetensors")["x"], first)
    monkeypatch.chdir(tmp_path / "one")
    assert "m=0.5" not in again and run(monkeypatch, *again[1:]) == 0
    assert torch.equal(load_file("again/particles.safetensors")["x"], first)
