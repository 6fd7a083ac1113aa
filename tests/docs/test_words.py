"""The examples of docs/words.md are programs that run, with small models in place of large."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

import poedsl
from poedsl.experts.sequences import layouts
from tests.experts.tiny_words import JSON_SYMBOLS, causal

ROOT = Path(__file__).parents[2]
_FILE = re.compile(r"```\w+\n# (?P<name>\S+)\n(?P<text>.*?)```", re.DOTALL)
FILES = {m["name"]: m["text"] for m in _FILE.finditer((ROOT / "docs" / "words.md").read_text())}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("words")
    for seed, name in enumerate(("model-a", "model-b")):
        causal(folder / name, JSON_SYMBOLS, seed=seed, end="<end>", spread=0.2)
    template = "{% for m in messages %}{{ m['content'] }}<end>{% endfor %}"
    causal(folder / "model-c", JSON_SYMBOLS, end="<end>", spread=0.2, template=template)
    for name, text in FILES.items():
        (folder / name).write_text(text)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in FILES if n.endswith(".poe")])
def test_examples_run(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layouts, "LONGEST", 8)
    monkeypatch.setattr(layouts, "PARTS", 2)
    plan = poedsl.compile(folder / name)
    result = plan.run(seed=0, particles=32, allow_code=True)
    assert result.outcome.ok
    if name == "rules.poe":
        texts = result.texts("y")
        assert all(re.search("[ab].*[.]$", t) and len(t) < 7 and "sad" not in t for t in texts)
    if name == "small.poe":
        assert all(re.fullmatch("(ab|c)*", t) and "cc" not in t for t in result.texts("y"))


@pytest.mark.slow
def test_the_program_of_two_models_and_a_rule(folder: Path) -> None:
    text = (ROOT / "programs" / "story.poe").read_text()
    (folder / "story.poe").write_text(text)
    result = poedsl.compile(folder / "story.poe").run(seed=0, particles=50)
    assert result.outcome.ok and result.particles["y"].shape == (50, 24)
    assert all(" sad" not in t for t in result.texts("y"))
    assert bool(torch.isfinite(result.log_weights).all())
