"""Layouts from random models: whatever they would rather say, it is one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import poedsl
from poedsl.catalog.profiles import DEFAULT
from poedsl.experts.sequences import layouts
from poedsl.experts.sequences.language_model import LanguageModel
from poedsl.experts.sequences.layouts import LEAST, PARTS, LayoutWriter, layout_of
from poedsl.runtime.inputs.layouts import read_layout
from tests.diagnostics import refused
from tests.experts.tiny_words import JSON_SYMBOLS, causal

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layouts, "LONGEST", 12)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_always_a_layout(tmp_path: Path, seed: int, kind: str) -> None:
    folder = causal(tmp_path, JSON_SYMBOLS, kind=kind, seed=seed, end="<end>", spread=1.0)
    layout = layout_of("two dogs", folder=folder, profile=DEFAULT, device=CPU)
    assert json.loads(json.dumps(layout)) == layout
    parts = read_layout(layout)
    assert 1 <= len(parts) <= PARTS
    for (left, top, right, bottom), text in parts:
        assert min(right - left, bottom - top) > LEAST / 100 - 1e-6
        assert 0 < len(text) <= 12 and text == text.lstrip()


@pytest.mark.slow
def test_prompts_and_models_matter(tmp_path: Path) -> None:
    folders = [causal(tmp_path / str(s), JSON_SYMBOLS, seed=s, end="<end>") for s in (1, 2)]
    made = [
        layout_of(prompt, folder=folder, profile=DEFAULT, device=CPU)
        for folder in folders
        for prompt in ("a dog", "seven cats on a wall")
    ]
    assert made[0] == layout_of("a dog", folder=folders[0], profile=DEFAULT, device=CPU)
    assert len({json.dumps(m) for m in made}) > 2


def test_the_likeliest_of_what_fits_is_written(tmp_path: Path) -> None:
    folder = causal(tmp_path, JSON_SYMBOLS, seed=3, end="<end>")
    model = LanguageModel("a", folder=folder, profile=DEFAULT, device=CPU)
    writer = LayoutWriter(model, *model.begin(1))
    first = model.begin(1)[1][0]
    chosen = max("xyz", key=lambda c: float(first[JSON_SYMBOLS.index(c)]))
    assert writer.write_match("xx|yy|zz") == 2 * chosen
    again = LanguageModel("a" + 2 * chosen, folder=folder, profile=DEFAULT, device=CPU)
    assert torch.allclose(writer.following, again.begin(1)[1], atol=1e-5)


def test_a_program_with_a_layout_of_a_prompt(tmp_path: Path) -> None:
    folder = causal(tmp_path / "model", JSON_SYMBOLS, seed=4, end="<end>")
    (tmp_path / "own.poe").write_text(
        'input prompt : Text = "a dog"\n'
        "x : Image[1, 8, 8]\nx ~ Normal(0, 1)\n"
        f'for part in layout_of(prompt, model = "{folder}"):\n'
        "    x[part.box] ~ exp(-length(part.text) * mean(x[part.box]))\n"
    )
    result = poedsl.compile(tmp_path / "own.poe").run(seed=0, particles=2, steps=2)
    assert result.outcome.ok


def test_tokens_that_cannot_write_one_are_reported(tmp_path: Path) -> None:
    folder = causal(tmp_path, "abc{}[]", end="<end>")
    with refused("P0206"):
        layout_of("a dog", folder=folder, profile=DEFAULT, device=CPU)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_as_many_parts_as_the_model_can_read(tmp_path: Path, kind: str) -> None:
    """A token is a character; a part may take 64 and its text."""

    def made(positions: int) -> list[dict[str, Any]]:
        folder = causal(
            tmp_path / str(positions),
            JSON_SYMBOLS,
            kind=kind,
            seed=5,
            spread=1.0,
            positions=positions,
        )
        return layout_of("two dogs", folder=folder, profile=DEFAULT, device=CPU)

    asked = len(layouts._ASK.format(prompt="two dogs"))
    for positions in (asked - 1, asked + 75):
        with pytest.raises(poedsl.PoeError, match=f"P0307.*up to {positions} tokens"):
            made(positions)
    one = made(asked + 76)
    assert len(read_layout(one)) == 1
    if kind == "llama":
        assert one == made(2048)[:1]
        assert [len(made(asked + n)) for n in (140, 2000)] == [2, PARTS]
